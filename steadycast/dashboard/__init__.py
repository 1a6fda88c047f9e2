"""A static page without a build step: `files` says which files it has and how browsers may use them, and everything
else is in `static/` and runs in the browser. It knows nothing but the URLs of the API."""
