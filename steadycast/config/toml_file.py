"""A TOML file as it is, within a bound; what is wrong with it as a whole is one clear line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from steadycast.errors import ConfigError

BYTES = 1_048_576


def read_toml(path: Path, code: str) -> dict[str, Any]:
    """Raises ConfigError with that code."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES + 1)
        if len(data) > BYTES:
            raise ConfigError(code, f"{path}: longer than {BYTES} bytes.")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(code, f"{path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise ConfigError(code, f"{path}: it is not UTF-8 text.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(code, f"{path}: it is not TOML: {error}.") from None
