"""How every DuckDB connection of this program is configured."""

from __future__ import annotations

from typing import Final

import duckdb

#: DuckDB installs and loads no extension, so no connection reaches the network.
OFFLINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
#: DuckDB loads its ICU extension after it reads the config, so the time zone is set here.
#: The progress bar would mix with results on stdout when Python runs no script (`python -c`).
SESSION: Final = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
#: After this statement SQL reaches no other file.
CLOSE_OFF: Final = "SET enable_external_access = false"
#: After this statement SQL changes no setting, so it cannot undo the one above.
LOCK: Final = "SET lock_configuration = true"


def in_memory() -> duckdb.DuckDBPyConnection:
    """Open a new in-memory database."""
    connection = duckdb.connect(":memory:", config={**OFFLINE})
    connection.execute(SESSION)
    return connection
