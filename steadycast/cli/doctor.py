"""`steadycast doctor`: what is on this machine, what is missing, and the line that installs it."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.findings import Finding, apt_line, worst
from steadycast.cli.output import FAILED, AsJson, print_json
from steadycast.cli.probes import probe

_SIGNS = {"good": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}


def doctor(
    as_json: AsJson = False,
    port: int = typer.Option(8800, min=0, max=65535, envvar="STEADYCAST_PORT", help="HTTP port to look at."),
    rtsp_port: int = typer.Option(8554, min=0, max=65535, envvar="STEADYCAST_RTSP_PORT", help="RTSP port to look at."),
) -> None:
    """Say whether a host can run here, and what to do where it cannot. Exit code 1 if something is bad."""
    findings = probe(port, rtsp_port)
    line = apt_line(findings)
    if as_json:
        print_json({"ok": worst(findings) != "bad", "install": line, "findings": [f.shown() for f in findings]})
    else:
        _print(findings, line)
    if worst(findings) == "bad":
        raise typer.Exit(FAILED)


def _print(findings: tuple[Finding, ...], line: str | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.thing) for finding in findings)
    for finding in findings:
        console.print(f"{_SIGNS[finding.grade]} {finding.thing:<{width}}  {escape(finding.what)}")
        if finding.hint:
            console.print(f"{'':<{width + 7}}[dim]{escape(finding.hint)}[/]")
    if line:
        console.print("\nTo install what is missing (Debian, Ubuntu):")
        console.print(f"  {escape(line)}")
