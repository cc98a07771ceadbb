"""What can be typed after `sidelong new`, and what the help says."""

from typing import Annotated

import typer

from sidelong.cli.command import Command, Group

new = typer.Typer(
    cls=Group,
    help="Make files to begin with. Nothing is overwritten unless that is asked for.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@new.command(cls=Command)
def job(
    path: Annotated[
        str, typer.Argument(metavar="PATH/NAME", help="The job: directories and a name, as in `shop/jobs/charge`.")
    ],
    queue: Annotated[
        str | None, typer.Option("--queue", "-q", metavar="NAME", help="Its queue (default: that of the app's jobs).")
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE:ATTR",
            help="The app it belongs to (default: the one in its directory, or in the nearest one above).",
        ),
    ] = None,
    overwrites: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the files if they are there.")] = False,
) -> None:
    """Make a job, which raises NotImplementedError until it is written, and a test for it.

    The test goes to `tests/`. Directories that are missing become packages. Templates of your own are
    `.sidelong/templates/job.py.tmpl` and `test_job.py.tmpl`. Nothing is imported.

    Exit status: 0 if all is made; 1 if a file cannot be written; 2 if the command is wrong, a file is there already or
    a template cannot be filled in.

    For example:

    - `sidelong new job shop/jobs/charge --queue payments`
    """
    from sidelong.cli.new.files import write_files
    from sidelong.cli.new.job import plan_job

    raise typer.Exit(write_files(lambda: plan_job(path, queue=queue, app=app), overwrites=overwrites))


@new.command(cls=Command)
def project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name, also of the directory that is made.")],
) -> None:
    """Make a FastAPI app with jobs, tests and settings, a container file, a compose file and a systemd unit.

    Exit status: 0 if all is made; 1 if a file cannot be written; 2 if the name will not do or the directory is there.

    For example:

    - `sidelong new project shop`
    """
    from sidelong.cli.new.files import write_files
    from sidelong.cli.new.project import plan_project

    raise typer.Exit(write_files(lambda: plan_project(name), overwrites=False))
