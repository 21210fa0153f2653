"""Writes the models of a run's sites, a folder for each, that any tool can load, and a page that says what each reached."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..state.brief import Record
from ..state.canonical import Row
from ..state.errors import Correctable
from ..state.export import appearing, check_empty
from ..state.sites import SiteResult, SitesAttempt
from ..state.workspace import Workspace
from .recorded_sites import model_folder

CARD = "README.md"
USE = """\
```python
import json, pathlib, torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

folder = pathlib.Path("{site}")  # this folder, from the one that it is in
labels = json.loads((folder / "site.json").read_text())["names"]
tokenizer, backbone = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
head = load_file(folder / "header.safetensors")

def answer(text):
    given = tokenizer(text, return_tensors="pt", truncation=True, max_length={max_tokens})
    with torch.no_grad():
        pooled = backbone(**{{k: given[k] for k in ("input_ids", "attention_mask")}}).last_hidden_state.mean(1)
        normed = torch.nn.functional.layer_norm(pooled, pooled.shape[-1:], head["norm.weight"], head["norm.bias"])
        return labels[(normed @ head["out.weight"].T + head["out.bias"]).argmax().item()]
```
"""
USE_WRITER = """\
```python
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

folder = "{site}"  # this folder, from the one that it is in
tokenizer, model = PreTrainedTokenizerFast.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)

def answer(prompt):
    given = tokenizer(prompt.strip() + "\\n", return_tensors="pt")
    with torch.no_grad():
        written = model.generate(**given, do_sample=False, max_new_tokens={max_tokens})
    return tokenizer.decode(written[0, given["input_ids"].shape[1] :], skip_special_tokens=True).strip()
```
"""


class ExportedSites(Record):
    """What was written, and of which run."""

    folder: str
    run_id: str
    attempt: int
    sites: tuple[str, ...]
    without: tuple[str, ...]


def export_sites(
    workspace: Workspace, rows: Sequence[Row], attempt: SitesAttempt, folder: Path, version: str, *, force: bool = False
) -> ExportedSites:
    """Copies every model that is on this machine as it was measured, and writes the pages, all or nothing. Raises Correctable where none
    is, OutputError where files are gone or the folder cannot be written, JournalError where weights are not those measured."""
    run_id = rows[0].run_id
    made = [result for result in attempt.results if result.folder]
    if not made:
        raise Correctable(f"no model of run {run_id} is here: each site has none, or has it on its own machine")
    models = {result.site: model_folder(workspace, run_id, result) for result in made}
    cuts = {choice.site: choice.cut for choice in attempt.plan.choices}
    check_empty(folder, force=force)
    with appearing(folder, force=force) as temporary:
        for result in made:
            home = temporary / result.site
            home.mkdir()
            for file in sorted(models[result.site].iterdir()):
                shutil.copyfile(file, home / file.name)  # not its mode: see export_model
            (home / CARD).write_text(_site_page(result, cuts[result.site], home, run_id), encoding="utf-8")
        (temporary / CARD).write_text(_page(attempt, run_id, rows[-1].hash, version), encoding="utf-8")
    return ExportedSites(
        folder=str(folder.absolute()),
        run_id=run_id,
        attempt=attempt.number,
        sites=tuple(models),
        without=tuple(result.site for result in attempt.results if not result.folder),
    )


def _site_page(result: SiteResult, cut: str, home: Path, run_id: str) -> str:
    about = json.loads((home / "site.json").read_text(encoding="utf-8"))
    writes = "adapter" in about
    what = "that writes answers" if writes else f"of {len(about['names'])} labels"
    files = ["`model.safetensors` with `config.json` is a plain Hugging Face model; `site.json` what was measured."]
    if not writes:
        files = [
            "`model.safetensors` with `config.json` is the backbone, a plain Hugging Face model; `header.safetensors` the layer on it;",
            "`site.json` the labels and what was measured.",
        ]
    lines = [
        f"# {result.site}",
        "",
        f"A model {what} for site {result.site}, cut to {cut} and tuned there by Stratos, run {run_id}.",
        "",
        *_figures(result),
        "",
        *files,
        "",
        USE_WRITER.format(site=result.site, max_tokens=about["max_tokens"])
        if writes
        else _use_of_labels(result, about, home),
    ]
    return "\n".join(lines)


def _use_of_labels(result: SiteResult, about: Mapping[str, Any], home: Path) -> str:
    plain = not about["header"]["blocks"] and about["header"]["pool"] == "mean"
    if plain and (home / "tokenizer.json").exists():
        return USE.format(site=result.site, max_tokens=about["max_tokens"])
    return "Its header was searched, or it takes pictures: `stratos.tools.sites.loop.site_model.load_site_model(folder)` loads it.\n"


def _figures(result: SiteResult) -> list[str]:
    shares = (
        ("right on its own test examples", result.test),
        ("the control, a model of its size trained there from nothing, on the same examples", result.alone_test),
    )
    lines = [
        f"- {what}: {share.value:.1%} of {share.n} (95 % interval {share.low:.1%} to {share.high:.1%})"
        for what, share in shares
        if share is not None
    ]
    latency = "" if result.latency_ms is None else f", {result.latency_ms:.2f} ms an example there, one thread"
    return [*lines, f"- {result.bytes:,} bytes{latency}", f"- sha256 of its weights: {result.weights_sha256}"]


def _page(attempt: SitesAttempt, run_id: str, head: str, version: str) -> str:
    lines = [f"# Models of {len(attempt.results)} sites", "", f"Stratos {version}, run {run_id}, head {head}", ""]
    lines += ["| site | right on its own test examples | bytes |", "| --- | --- | --- |"]
    for result in attempt.results:
        share = result.test
        said = f"no model: {result.failed}" if share is None else f"{share.value:.1%} of {share.n}"
        if share is not None and not result.folder:
            said += ", on its own machine"
        lines.append(f"| {result.site} | {said} | {result.bytes:,} |")
    return "\n".join(lines) + "\n"
