"""A static page without a build step. It knows nothing but the URLs of the API."""
