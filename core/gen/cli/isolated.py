"""The child of ``--isolate``: runs a command, and writes its exit code into the file that comes first."""

import sys

from gen.cli.main import main

if __name__ == "__main__":
    status = 1
    try:
        status = main(sys.argv[2:])
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    with open(sys.argv[1], "w") as file:
        file.write(str(status))
    sys.exit(status)
