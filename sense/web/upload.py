"""A visitor's SQLite file: checked, taken out of the reach of others, and removed with its session.

A web framework keeps uploads where their address suffices to read them. `Uploads.take` moves the
file at once into a folder that only this process can read.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from sense.execution import DatabaseError
from sense.schema import Schema
from sense.sqlite.guard import guarded_schema

MEGABYTE = 2**20
MAX_UPLOAD_BYTES = 50 * MEGABYTE


class Upload(NamedTuple):
    """A visitor's database that can be read."""

    path: str
    name: str
    """As the visitor calls the file."""
    schema: Schema


class Uploads:
    """The private folder of all uploads of this process: one file per session at most."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sense-uploads-")  # mode 0700

    @property
    def folder(self) -> str:
        """Where the files lie; nothing in it may be served."""
        return self._folder.name

    def take(self, file: str | Path, session: str) -> Upload:
        """The file as the database of the session, which replaces an earlier one.

        The file is gone from where it was, also when it is refused. Raises DatabaseError with a
        sentence for the visitor that names no path.
        """
        source = Path(file)
        home = self._home(session)
        path = home / "upload.sqlite"
        draft = home / "draft.sqlite"
        home.mkdir(mode=0o700, exist_ok=True)
        try:
            shutil.move(source, draft)
            schema = _checked_schema(draft, source.name)
            draft.replace(path)
        except FileNotFoundError as error:
            raise DatabaseError(f"{source.name} did not arrive; upload it again.") from error
        finally:
            source.unlink(missing_ok=True)
            draft.unlink(missing_ok=True)
        return Upload(str(path), source.name, schema)

    def remove(self, session: str) -> None:
        """Deletes what the session has uploaded, if anything."""
        shutil.rmtree(self._home(session), ignore_errors=True)

    def _home(self, session: str) -> Path:
        # The browser chooses the name of its session: it must not choose a path.
        return Path(self.folder) / hashlib.sha256(session.encode()).hexdigest()


def _checked_schema(path: Path, name: str) -> Schema:
    num_bytes = path.stat().st_size
    if num_bytes > MAX_UPLOAD_BYTES:
        raise DatabaseError(
            f"{name} has {num_bytes / MEGABYTE:,.1f} MB, more than the "
            f"{MAX_UPLOAD_BYTES // MEGABYTE} MB "
            "that this page takes; keep the tables of interest in a smaller file."
        )
    try:
        schema = guarded_schema(path)
    except DatabaseError as error:
        raise DatabaseError(str(error).replace(str(path), name)) from error
    if not schema.tables:
        raise DatabaseError(f"{name} is a SQLite database without tables; choose another file.")
    return schema
