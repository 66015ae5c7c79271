"""Runs a filter over all shards, on this machine or on Ray, and writes its summary and report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import textcnn
from textcnn.cluster.filesystem import OWN, Place
from textcnn.cluster.state import claim
from textcnn.errors import ConfigError, DataError
from textcnn.filtering.job import SCORES, FilterJob
from textcnn.filtering.page import render
from textcnn.filtering.rule import quantile_cut
from textcnn.filtering.shards import REPORT, SUMMARY, Shard
from textcnn.filtering.tally import BINS, Result, Sample
from textcnn.prediction.predictor import Predictor
from textcnn.reading.messages import counted

_INPUTS = f"{OWN}/inputs.json"
_SHOWN = 12  # kept documents, and dropped ones, in the report

Tell = Callable[[FilterJob, Shard, Result], None]


@dataclass(frozen=True)
class Outcome:
    """The summary of a run, and how many shards earlier starts had finished."""

    summary: dict[str, Any]
    before: int


def run_filter(
    job: FilterJob,
    shards: Sequence[Shard],
    *,
    threads: int = 1,
    engine: str | None = None,
    address: str | None = None,
    tell: Tell = lambda job, shard, result: None,
) -> Outcome:
    """Filter all shards that are not finished, and write ``filter.json`` and ``report.html``.

    Args:
        job: the settings.
        shards: the shards, sorted by name.
        threads: the number of threads on this machine.
        engine: ``ray``, or none: this machine alone.
        address: the address of a Ray cluster; none: a local one.
        tell: called with each shard that a pass has finished or failed.

    Raises:
        ConfigError: a folder of output belongs to another run, or the inputs are not those it began with.
        DataError: some shards could not be read; all others are finished.
        TextCNNError: the model cannot be loaded, or Ray gives up.
    """
    settings = job.settings()
    claim(job.output, settings)
    _check_inputs(job.output, shards)
    if job.dropped is not None:
        claim(job.dropped, {**settings, "kept": job.output.uri}, "--dropped")
        job.dropped.remove_unfinished()
    job.output.remove_unfinished()

    predictor: Predictor | None = None

    def finish(phase: FilterJob) -> int:
        nonlocal predictor
        waiting = [shard for shard in shards if not phase.is_done(shard)]
        if waiting:
            if engine:
                results = _on_ray(phase, waiting, address)
            else:
                loaded = phase.load(phase.model)
                if loaded is not None and job.precision == "float32":  # the report explains with it, which int8 cannot
                    predictor = loaded
                results = _here(phase, waiting, loaded, threads)
            problems = []
            for shard, result in results:
                tell(phase, shard, result)
                problems += [] if result.problem is None else [result.problem]
            if problems:
                raise DataError(
                    f"{len(problems):,} of {counted(len(shards), 'shard')} could not be filtered: {problems[0]}; all "
                    "others are done, and the same command takes up what is missing"
                )
        return len(shards) - len(waiting)

    if job.phase == SCORES:
        finish(job)
        assert job.rule.keep_share is not None
        scores = {shard.name: job.scores(shard.name) for shard in shards}
        job = replace(job, cut=quantile_cut(scores, job.rule.keep_share))
    before = finish(job)
    results = [job.result(shard.name) for shard in shards]
    summary = summarize(job, results)
    job.output.write_text(SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    predictor = predictor or Predictor.load(job.model, threads=1)
    job.output.write_text(REPORT, render(summary, _samples(results), predictor))
    return Outcome(summary, before)


def _here(
    job: FilterJob, shards: Sequence[Shard], predictor: Predictor | None, threads: int
) -> Iterator[tuple[Shard, Result]]:
    if predictor is not None and predictor.runtime.name != "look-up":
        threads = 1  # torch uses several itself
    for shard in shards:
        yield shard, job.run(shard, predictor, threads)


def _on_ray(job: FilterJob, shards: Sequence[Shard], address: str | None) -> Iterator[tuple[Shard, Result]]:
    from textcnn.cluster.ray import on_actors

    by_name = {shard.name: shard for shard in shards}
    for found in on_actors(job, list(by_name.values()), address=address):
        if (shard := by_name.pop(found["name"], None)) is not None:  # a repeated task is reported twice
            yield shard, Result(**found)


def _check_inputs(output: Place, shards: Sequence[Shard]) -> None:
    """Store which files the folder was begun with, or check that they are the same.

    Raises:
        ConfigError: a file is new, gone or changed.
    """
    now = {shard.name: shard.identity() for shard in shards}
    if not output.has(_INPUTS):
        output.write_text(_INPUTS, json.dumps(now) + "\n")
        return
    before = json.loads(output.read_text(_INPUTS))
    for name in sorted({*now, *before}):
        if now.get(name) != before.get(name):
            what = "is no longer read" if name not in now else "is new" if name not in before else "has changed"
            raise ConfigError(
                f"input {name!r} {what} since --output {output.uri!r} was begun; take another folder, or delete it"
            )


def summarize(job: FilterJob, results: Sequence[Result]) -> dict[str, Any]:
    """Return the contents of ``filter.json``: counts and histograms of each shard and of all."""

    def entry(shards: Sequence[Result]) -> dict[str, Any]:
        kept: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        for shard in shards:
            kept.update(shard.kept)
            rejected.update(shard.rejected)
        labels = {} if job.rule.keep is not None else {"labels": dict(sorted(kept.items()))}
        return {
            "documents": sum(shard.documents for shard in shards),
            "kept": kept.total(),
            **labels,
            "dropped": sum(shard.dropped for shard in shards),
            "rejected": dict(sorted(rejected.items())),
            "histogram": [sum(counts) for counts in zip(*(shard.histogram for shard in shards), strict=True)],
        }

    low, high = job.rule.range
    return {
        "textcnn": textcnn.__version__,
        "model": job.fingerprint,
        **job.rule.settings(),
        "threshold": job.cut.threshold if job.cut is not None else job.rule.least if job.rule.keep else None,
        "text_column": job.column,
        "precision": job.precision,
        "bins": [low + (high - low) * number / BINS for number in range(BINS + 1)],
        **entry(results),
        "shards": {result.name: entry([result]) for result in results},
    }


def _samples(results: Sequence[Result]) -> list[Sample]:
    """Return the samples of all shards with the smallest draws, kept ones first, each kind by probability."""
    samples = sorted((Sample(**one) for result in results for one in result.samples), key=lambda one: one.draw)
    chosen = [one for kind in (True, False) for one in [s for s in samples if s.kept is kind][:_SHOWN]]
    return sorted(chosen, key=lambda one: (not one.kept, -one.probability, one.shard, one.number))
