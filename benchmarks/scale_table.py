"""The plan past one machine as tables."""

from __future__ import annotations

from typing import Any


def to_markdown(document: dict[str, Any]) -> str:
    """Prices, checks and plans."""
    machine, assumed = document["machine"], document["assumed"]
    lines = [
        "# Past this machine",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['other_work']} other threads running. One thread a process; "
        f"preset {document['settings']['preset']}; texts cut from {document['data']}.",
        "",
        "Prices, fitted to the runs below:",
        "",
        "| work | unit | seconds |",
        "| --- | --- | ---: |",
        *(
            f"| {name} | {kind} | {price:.3g} |"
            for name, found in document["fitted"].items()
            for kind, price in found["prices"].items()
        ),
        "",
        f"{assumed['cores']} processes at once take {assumed['side_by_side']:.2f} times as long as one alone.",
        "",
    ]
    for name, found in document["fitted"].items():
        lines += _checks(name, found)
    return "\n".join([*lines, *_plans(document)]) + "\n"


def _checks(name: str, found: dict[str, Any]) -> list[str]:
    worst = max(abs(run["error"]) for run in found["checks"])
    return [
        f"{name}: runs that had no part in the fit; the largest error is {worst:.0%}.",
        "",
        "| work | seconds | predicted | error |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {_work(run['work'])} | {run['seconds']:.4g} | {run['predicted']:.4g} | {run['error']:+.1%} |"
            for run in found["checks"]
        ),
        "",
    ]


def _work(work: dict[str, float]) -> str:
    return ", ".join(f"{amount:,.0f} {kind}" for kind, amount in work.items() if kind not in ("start", "exchanges"))


def _plans(document: dict[str, Any]) -> list[str]:
    plan, assumed, step, of_token = (document[name] for name in ("plan", "assumed", "step", "bytes_of_token"))
    sent, made = step["bytes"], " and ".join(f"{value:.4f}" for value in document["made_of_token"])
    return [
        f"Assumed between nodes: {assumed['bandwidth'] / 1e9:g} GB/s a node and {assumed['latency'] * 1e6:g} us a "
        f"message; nodes of {assumed['cores']} cores like these. A token is {of_token:.2f} bytes of input; in the long "
        f"run {made} rows of products are made for a token of sentences, and of reviews. A step of "
        f"{step['batch_size']} whole texts sends {sent['dense'] / 1e6:.2f} MB of dense gradients and "
        f"{(sent['rows'] + sent['wide']) / 1e6:.2f} MB of rows.",
        "",
        "One billion texts classified:",
        "",
        "| words a text | nodes | hours | reading's share | efficiency | GB of input a second |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {row['words']} | {row['nodes']} | {row['hours']:.3g} | {row['reading']:.1%} | "
            f"{row['efficiency']:.0%} | {row['input_bytes_per_second'] / 1e9:.3g} |"
            for row in plan["classify"]
        ),
        "",
        "One billion tokens trained once:",
        "",
        "| the whole batch | nodes | hours | a step, ms | exchange's share | efficiency |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {row['batch']} | {row['nodes']} | {row['hours']:.3g} | {row['step_milliseconds']:.1f} | "
            f"{row['exchange']:.1%} | {row['efficiency']:.0%} |"
            for row in plan["train"]
        ),
    ]
