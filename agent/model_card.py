"""A student's model card in Hugging Face's format, written from the journal, an example aside."""

import json
import re
from html import escape
from typing import Any

from ..state.evidence import Interval, Latency
from ..state.numbers import dollars, shown
from ..state.paired import paired_words
from ..tools.distill import NATURAL_MIX
from ..tools.generate_data import DEVELOPMENT
from ..tools.quantising import WEIGHTS, Quantised
from .brief_words import brief_rows, lessons_words
from .card_example import CardExample, example_words
from .export_quantised import quantised_folder, quantised_words
from .model_facts import StudentFacts

DATA_SET = re.compile(r"[\w.-]+/[\w-]+")
"""What names a data set of a hub, and no file."""

SHORT_QUESTION = 100
"""Characters of a question that fit a line of the code that asks it."""


def model_card(
    facts: StudentFacts,
    weights: str,
    licence: str,
    exported_by: str,
    *,
    example: CardExample | None,
    smaller: Quantised | None = None,
) -> str:
    """README.md of a student whose weights have that hash; `licence` is the base model's, empty where there is none."""
    front = _front_matter(facts, licence)
    parts = (
        _opening(facts),
        _request(facts),
        example_words(example),
        _data(facts),
        _training(facts),
        _measurement(facts),
        _controls(facts),
        _cost(facts),
        _limits(facts),
        _licence(facts, licence),
        _use(example),
        *([_smaller(smaller)] if smaller is not None else []),
        _evidence(facts, weights, exported_by),
    )
    return f"---\n{front}---\n\n" + "\n\n".join(parts) + "\n"


def _front_matter(facts: StudentFacts, licence: str) -> str:
    import yaml

    candidate, source = facts.attempt.candidate, facts.given_path
    fields: dict[str, Any] = {"license": licence.lower() or "other"}
    if not licence:
        fields["license_name"] = "none-of-a-base-model" if facts.from_scratch else "unknown"
    if not facts.from_scratch:
        fields["base_model"] = candidate.student
    fields |= {"library_name": "transformers", "pipeline_tag": "text-generation"}
    fields["tags"] = ["stratos", "knowledge-distillation", facts.brief.skill, facts.brief.task]
    if DATA_SET.fullmatch(source):
        fields["datasets"] = [source]
    fields["model-index"] = [{"name": _name(facts), "results": [_result(facts)]}]
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=120)


def _result(facts: StudentFacts) -> dict[str, Any]:
    judged, task = facts.judged, f"{facts.brief.skill}, {facts.brief.task}"
    named = {"exact": facts.score.exact, "final answer alone": facts.score.answer}
    metrics = [
        {"type": "exact_match", "name": f"{name}, 95 % interval {_ends(share)}, n = {share.n}", "value": share.value}
        for name, share in named.items()
    ]
    of = {"type": "stratos", "name": task, "split": judged.split, "revision": judged.split_sha256}
    return {"task": {"type": "text-generation", "name": task}, "dataset": of, "metrics": metrics}


def _name(facts: StudentFacts) -> str:
    return f"{facts.brief.skill}-{facts.brief.task}"


def _ends(share: Interval) -> str:
    return f"{share.low:.3f} to {share.high:.3f}"


def _percent(share: Interval) -> str:
    return f"{share.value:.1%} (95 % interval {share.low:.1%} to {share.high:.1%}, n = {share.n:,})"


def _opening(facts: StudentFacts) -> str:
    verdict = {"met": "It met the targets it was asked for."}.get(
        facts.status,
        f"The run that made it ended as {facts.status!r}: it is the best that was measured, not what was asked for.",
    )
    if facts.stand_in:
        verdict += (
            f" It is the control {facts.stand_in!r}, which meets the targets too and stands in the student's place."
        )
    return (
        f"# {_name(facts)}\n\nA language model of {facts.attempt.candidate.parameters:,} parameters for one task, "
        f"*{facts.brief.task}* of the skill *{facts.brief.skill}*, made by Stratos from one sentence. {verdict}"
    )


def _request(facts: StudentFacts) -> str:
    quoted = "\n".join(f"> {_plain(line)}" for line in facts.brief.request.splitlines())
    rows = "\n".join(f"- {label}: {_plain(words)}" for label, words in brief_rows(facts.brief.model_dump(mode="json")))
    assumed = "".join(f"\n- assumed: {_plain(assumption)}" for assumption in facts.brief.assumptions)
    return f"## What was asked for\n\n{quoted}\n\n{rows}{assumed}"


def _plain(text: str) -> str:
    """The user's words, which open no element of a page."""
    return escape(text, quote=False)


def _data(facts: StudentFacts) -> str:
    data, given = facts.data, facts.given
    sealed = ", ".join(f"{split.name} {split.n:,} (sha256 `{split.sha256[:16]}`)" for split in data.splits)
    if given is not None:
        made = (
            f"The user's own examples, {_plain(facts.given_path)}: {given.rows:,} rows, of which {given.train:,} were learned from "
            f"(sha256 `{given.train_sha256}`). An answer is right by the metric *{given.metric}*."
        )
    else:
        made = (
            f"{data.examples:,} examples made in reverse, answer first, by the skill *{facts.brief.skill}* with seed "
            f"{facts.settings['seed']}; an independent verifier agreed with each and rejected {data.rejected_by_verifier:,}. "
            f"{data.dropped_as_leaks:,} were dropped because a held-out item equals them under the skill's symmetries. sha256 over the "
            f"shards' own hashes: `{data.sha256}`."
        )
        if data.own_examples:
            made += f" {data.own_examples:,} of them are the user's own (sha256 `{data.own_sha256}`)."
    if data.lessons is not None:
        asked = (
            f", and {given.unlabelled:,} questions without an answer" if given is not None and given.unlabelled else ""
        )
        notes = "".join(f" {note[0].upper()}{note[1:]}." for note in data.lessons.notes)
        made += f" A teacher was asked about them{asked}. {lessons_words(data.lessons)}.{notes}"
    return f"## What it learned from\n\n{made}\n\nSealed before training: {sealed}.\n\nTeacher: {facts.attempt.candidate.teacher}."


def _training(facts: StudentFacts) -> str:
    attempt, candidate = facts.attempt, facts.attempt.candidate
    if not candidate.trains:
        return f"## Training\n\nAttempt {attempt.number}, {attempt.words}: nothing was trained, and its own prompt met what follows."
    if facts.stand_in:
        return (
            f"## Training\n\nAttempt {attempt.number}, {candidate.student}: the control {facts.stand_in!r}, beside a student of "
            f"{attempt.tokens:,} tokens on {candidate.offer_id}; seed {facts.training_seed}."
        )
    begun = "built from scratch" if facts.from_scratch else f"tuned from {candidate.student}"
    if attempt.begun_from is not None:
        begun = f"going on from the model of attempt {attempt.begun_from} with GRPO on the verifier's reward"
    taught = "rationale, then answer" if candidate.strategy == "rationale" else "the answer alone"
    return (
        f"## Training\n\nAttempt {attempt.number}, {candidate.student}, {begun}, taught {taught}: {attempt.tokens:,} tokens in "
        f"{attempt.seconds:,.0f} s ({attempt.cpu_seconds:,.0f} CPU-s) on {candidate.offer_id}, in {candidate.precision}; loss at the end "
        f"{shown(attempt.loss)}; stopped by {attempt.stopped_by}; seed {facts.training_seed}."
    )


def _measurement(facts: StudentFacts) -> str:
    judged = facts.judged
    opened = "used for choosing, not sealed" if judged.split == DEVELOPMENT else "sealed before training, opened once"
    lines = [
        f"On *{judged.split}* ({opened}; sha256 `{judged.split_sha256}`):",
        f"- exact: {_percent(facts.score.exact)}",
        f"- final answer alone: {_percent(facts.score.answer)}",
        *([f"- {facts.score.note}"] if facts.score.note else []),
    ]
    if facts.stand_in:
        lines.append(
            f"- the student in whose place it stands: {_percent(judged.student.exact)}; of that one are the other figures here"
        )
    if judged.families:
        worst = sorted(judged.families, key=lambda one: one.exact.value)
        lines.append(
            "- by family, weakest first: "
            + "; ".join(f"{one.family} {one.exact.value:.1%} of {one.exact.n}" for one in worst)
        )
    if judged.latency is not None:
        lines.append(f"- {_latency(judged.latency)}, on {_where(facts)}")
    return "## How good it is\n\n" + "\n".join(lines).replace(":\n-", ":\n\n-", 1)


def _latency(latency: Latency) -> str:
    return (
        f"latency over HTTP, {latency.n} requests: p50 {latency.p50_ms:,.1f} ms, p95 {latency.p95_ms:,.1f} ms, "
        f"p99 {latency.p99_ms:,.1f} ms; "
        f"{latency.throughput_rps:,.0f} requests a second with {latency.clients} clients"
        + (f"; {latency.busy}" if latency.busy else "")
    )


def _where(facts: StudentFacts) -> str:
    offer = facts.attempt.candidate.offer_id
    return f"{facts.machine} ({offer})" if offer.startswith("local/") else offer


def _controls(facts: StudentFacts) -> str:
    lines = ["| control | exact, 95 % interval | the student over it, on the same items |", "| --- | --- | --- |"]
    for control in facts.judged.controls:
        words = paired_words(control.name, control.paired) if control.paired else "not paired"
        lines.append(f"| {control.name} | {_percent(control.exact)} | {words} |")
    cheaper = facts.verdict.cheaper_control if facts.verdict else None
    if cheaper:
        missed = any(miss.constraint == "accuracy" for miss in facts.verdict.misses) if facts.verdict else False
        also = "and this student does not: it was served in its place" if missed else "too"
        advice = "" if cheaper == NATURAL_MIX else "Do not distil: "
        lines.append(f"\n{advice}{cheaper} meets the accuracy target {also}.")
    return (
        "## Against its controls\n\nMcNemar's exact test, and Newcombe's interval (1998, method 10) of the difference of paired shares.\n\n"
        + "\n".join(lines)
    )


def _cost(facts: StudentFacts) -> str:
    spent = f"{dollars(facts.spent_usd)} in all" if facts.status != "unfinished" else "unknown: the run has no end"
    return f"## What it cost\n\n{spent}, US dollars, data, training, measuring and any serving paid for together."


def _limits(facts: StudentFacts) -> str:
    source = "the user's examples" if facts.given else f"what the skill *{facts.brief.skill}* makes"
    kept = (
        "It had no abilities before its training, so that none could be lost: unrelated texts were not probed."
        if facts.from_scratch
        else "Whether its training cost it other abilities was not measured."
        if facts.attempt.candidate.trains
        else "Nothing was trained, so that no ability was lost."
    )
    if (probed := facts.judged.regression) is not None:
        kept = f"Other abilities were looked at through {len(probed.texts)} short texts alone: {probed.words}."
    return (
        f"## What is not known\n\nIt was tested on items drawn as {source}, and on nothing else: no other task, no other wording, no "
        f"conversation, no hostile input. It answers any prompt in its vocabulary, sensible or not. {kept} Its latency was measured on one "
        "machine. The intervals are of the items drawn, with this one seed of training; another seed gives another student."
    )


def _licence(facts: StudentFacts, licence: str) -> str:
    if facts.from_scratch:
        of_model = "Its weights were built from scratch: it carries no licence of a base model."
    else:
        under = licence or "a licence that is not known here"
        of_model = f"Its base model, {facts.attempt.candidate.student}, is under {under}, which holds for it too."
    of_data = (
        "The data's licence is for its owner, the user, to say."
        if facts.given or facts.data.own_examples
        else "Its data was generated by code."
    )
    named = "Only its owner can say under what it is given away: name it in the front matter above."
    return f"## Licence\n\n{of_model} {of_data} {named}"


def _use(example: CardExample | None) -> str:
    short = example is not None and len(example.prompt) <= SHORT_QUESTION
    question = json.dumps(example.prompt if example and short else "...", ensure_ascii=False)
    return (
        "## Use\n\nThe folder holds model, tokenizer, chat template and generation settings as trained.\n\n```python\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'tokenizer = AutoTokenizer.from_pretrained(".")\nmodel = AutoModelForCausalLM.from_pretrained(".")\n'
        f'question = [{{"role": "user", "content": {question}}}]\n'
        'given = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)\n'
        "wrote = model.generate(**given, do_sample=False)\n"
        'print(tokenizer.decode(wrote[0, given["input_ids"].shape[1] :], skip_special_tokens=True))\n```'
    )


def _smaller(found: Quantised) -> str:
    at = quantised_folder(found)
    told = "\n".join(f"- {line}" for line in quantised_words(found))
    made_for, use = _by_ctranslate2(found, at) if found.engine == "ctranslate2" else _by_vllm(at)
    return (
        f"## In {found.precision}\n\n`{at}` holds the same student with weights of 8 bits, for {made_for}, with its tokenizer. Held "
        f"against the float model before it was written (*{found.split}* was used for choosing and is not sealed; sha256 "
        f"`{found.split_sha256}`):\n\n{told}\n\n{use}\n\n{WEIGHTS[found.engine]}, sha256 `{found.sha256}`."
    )


def _by_vllm(at: str) -> tuple[str, str]:
    """For whom it is, and how it is asked."""
    return (
        "vLLM and for transformers, each beside torchao (`pip install torchao`; tried: 0.18.0)",
        f"```sh\nvllm serve {at} --dtype float32  # where the weights are float32, as of a student built from scratch; else without\n"
        "```\n\nInputs stay in floating point: in float32 vLLM's greedy answers are those of transformers, on a CPU (measured).",
    )


def _by_ctranslate2(found: Quantised, at: str) -> tuple[str, str]:
    """For whom it is, and how it is asked."""
    return (
        "CTranslate2 on a CPU (`pip install ctranslate2`)",
        "```python\nimport ctranslate2\nfrom transformers import PreTrainedTokenizerFast\n\n"
        f'tokenizer = PreTrainedTokenizerFast.from_pretrained("{at}")\n'
        f'model = ctranslate2.Generator("{at}", compute_type="{found.precision}")\n'
        'question = [{"role": "user", "content": "..."}]\n'
        "given = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)\n"
        "tokens = tokenizer.convert_ids_to_tokens(tokenizer.encode(given, add_special_tokens=False))\n"
        "(wrote,) = model.generate_batch([tokens], include_prompt_in_result=False, end_token=tokenizer.eos_token, max_length=256)\n"
        "print(tokenizer.decode(wrote.sequences_ids[0], skip_special_tokens=True))\n```",
    )


def _evidence(facts: StudentFacts, weights: str, exported_by: str) -> str:
    recorded = "as recorded when it was measured" if facts.recorded_weights else "computed now; its run recorded none"
    return (
        f"## Evidence\n\n- run {facts.run_id}, made by Stratos {facts.version}, exported by Stratos {exported_by}\n"
        f"- weights, sha256 `{weights}` ({recorded})\n- head of the run's record: `{facts.head_hash}`"
    )
