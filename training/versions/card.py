"""Pure: the model card of a version as Markdown, from its manifest alone, so that it travels with the artifact.

Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019): what it is for, what it was made of, how good it is and
where it must not be trusted.
"""

from __future__ import annotations

from typing import Any

RECIPES = {
    "feature_extraction": "feature extraction: the pretrained network is frozen, a classifier learns on its features",
    "fine_tuning": "fine-tuning: the last block of the pretrained network is trained too",
    "fine_tuning_deeper": "fine-tuning, deeper: more of the pretrained network than its last block is trained too",
}

# Options of a run that have no line of their own.
ASKED = ("epochs", "learning_rate", "label_smoothing", "class_weights", "hidden", "views")


def card_of(manifest: dict[str, Any]) -> str:
    """The card of the version that the manifest describes."""
    metrics = manifest["metrics"]
    return "\n\n".join(
        [
            f"# Model card: {manifest['project']}",
            _summary(manifest, metrics),
            "## Data",
            _data(manifest),
            "## Recipe",
            _recipe(manifest),
            "## How good it is",
            _figures(manifest),
            "## Where not to trust it",
            _limits(manifest),
            "## Files",
            _files(manifest),
            "",
        ]
    )


def _summary(manifest: dict[str, Any], metrics: dict[str, Any]) -> str:
    low, high = metrics["interval"]
    return (
        f"Answers the question `{manifest['question']}` with one of {len(manifest['categories'])} categories:"
        f" {', '.join(manifest['categories'])}. Right on {metrics['top1']:.1%} of {metrics['count']} images that it"
        f" never saw (95 % interval {low:.1%} to {high:.1%})."
    )


def _data(manifest: dict[str, Any]) -> str:
    counts = manifest["counts"]
    rows = [
        f"| {_cell(name)} | {' | '.join(str(counts[side].get(name, 0)) for side in ('train', 'validation', 'test'))} |"
        for name in manifest["categories"]
    ]
    left_out = sum(manifest["left_out"].values())
    said = (
        f"{_origin(manifest)}; near-duplicates are on one side of the split, which follows from each image's hash."
        f" Snapshot `{manifest['snapshot'][:16]}`; labels left out: {left_out}."
    )
    if manifest.get("gone"):
        said += f" Of the snapshot's images {manifest['gone']} were deleted since, or could not be read."
    if manifest.get("learned_validation") and any(counts["validation"].values()):
        said += (
            " The validation part said how to train and how sure the answers are; then it was learned, too. The test"
            " part never was."
        )
    return "\n".join(["| category | train | validation | test |", "|---|---|---|---|", *rows, "", said])


def _origin(manifest: dict[str, Any]) -> str:
    """Where the labels are from; a manifest from before does not tell which of them are certain."""
    crowd, certain = "the consensus of a crowd, with how sure it is", manifest.get("certain", 0)
    if not certain:
        return f"Labels are {crowd}"
    if certain >= sum(sum(side.values()) for side in manifest["counts"].values()):
        return "Labels are gold, or a person's decisions"
    return f"Gold and a person's decisions made {certain} of the labels; the others are {crowd}"


def _recipe(manifest: dict[str, Any]) -> str:
    fit = manifest["metrics"].get("fit", {})
    lines = [
        f"- Backbone: {manifest['backbone_title']} (`{manifest['backbone']}`), weights: {manifest['backbone_licence']}",
        f"- {RECIPES[manifest['recipe']].capitalize()}",
        f"- Augmentation: {_augmentation(manifest)}; input {manifest['size']} px square",
        f"- Soft labels: {'yes' if manifest['options'].get('soft_labels', True) else 'no'}; seed {manifest['seed']}",
    ]
    if asked := [f"{name} {manifest['options'][name]}" for name in ASKED if name in manifest["options"]]:
        lines.append(f"- Asked for: {', '.join(asked)}")
    head = "The head" if manifest["recipe"] == "feature_extraction" else "The head that it began with"
    if fit.get("strength") is not None:
        chosen = "as asked for" if "strength" in manifest["options"] else "by cross-validation"
        lines.append(f"- {head}: inverse weight decay {fit['strength']:g}, {chosen}")
    if fit.get("blend"):
        lines.append(f"- {head} is the mean of a logistic regression and of a linear discriminant of the same images")
    if fit.get("best_epoch") == 0 and manifest["recipe"] != "feature_extraction":
        lines.append("- No epoch was better beyond chance than the head on the frozen network, which stayed as it was")
    elif fit.get("best_epoch") is not None:
        lines.append(f"- Best epoch {fit['best_epoch']}")
    lines.append(f"- Temperature {manifest['temperature']:.3f}, fitted on the validation part")
    return "\n".join(lines)


def _augmentation(manifest: dict[str, Any]) -> str:
    if not manifest["augmentation"]:
        return "no"
    return "yes" if manifest["options"].get("mirror", True) else "yes, never mirrored"


def _per_class(manifest: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """In the owner's order, which a manifest out of the database has lost."""
    per_class = manifest["metrics"]["per_class"]
    return [(name, per_class[name]) for name in manifest["categories"] if name in per_class]


def _figures(manifest: dict[str, Any]) -> str:
    metrics = manifest["metrics"]
    lines = [
        f"Top-1 error {metrics['top1_error']:.1%}, top-5 error {metrics['top5_error']:.1%}, macro F1"
        f" {metrics['macro_f1']:.3f}{_between(metrics.get('macro_f1_interval'))}, expected calibration error"
        f" {metrics['ece']:.3f}{_chance(metrics)}."
        + (" In brackets: 95 % intervals." if metrics.get("macro_f1_interval") else ""),
        "",
        "| category | precision | recall | F1 | test images |",
        "|---|---|---|---|---|",
    ]
    for name, row in _per_class(manifest):
        figures = (
            f"{row[figure]:.3f}{_between(row.get(f'{figure}_interval'))}" if row["count"] else "–"
            for figure in ("precision", "recall", "f1")
        )
        lines.append(f"| {_cell(name)} | {' | '.join(figures)} | {row['count']} |")
    if curve := metrics.get("learning_curve"):
        lines += ["", _outlook(curve)]
    return "\n".join(lines)


def _cell(name: str) -> str:
    """A category's name in a table, whose columns a bar in it would shift."""
    return name.replace("|", "\\|")


def _between(interval: list[float] | None) -> str:
    return f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""


def _chance(metrics: dict[str, Any]) -> str:
    known = metrics.get("ece_by_chance")
    return f"; by chance alone it would be up to {known:.3f} on {metrics['count']} images" if known else ""


def _outlook(curve: dict[str, Any]) -> str:
    twice = curve["twice"]
    said = {
        "better": f"twice as many would probably bring it to {twice['error']:.1%} (95 % interval"
        f" {twice['interval'][0]:.1%} to {twice['interval'][1]:.1%}).",
        "little": "more labels of this kind would probably bring little.",
        "unknown": "the held-out images are too few to tell what more labels would bring.",
    }[curve["verdict"]]
    points = ", ".join(f"{point['error']:.1%} of {point['images']}" for point in curve["points"])
    return f"Error by images learned (without augmented copies): {points}; {said}"


def _limits(manifest: dict[str, Any]) -> str:
    lines = [
        "- It always answers with one of its categories, also for a picture that shows none of them.",
        "- It was measured on images of the same source as it learned from; on others it may be worse.",
    ]
    counts = manifest["counts"]
    if gone := [name for name in manifest["categories"] if not counts["train"].get(name, 0)]:
        lines.append(f"- Does not know, since its images were deleted before it learned: {', '.join(gone)}.")
    unmeasured = [name for name, row in _per_class(manifest) if not row["count"]]
    if unmeasured:
        lines.append(f"- Not measured, for want of held-out images: {', '.join(unmeasured)}.")
    weak = [name for name, row in _per_class(manifest) if row["count"] and row["recall"] < 0.7]
    if weak:
        lines.append(f"- Misses many images of: {', '.join(weak)}.")
    missing = [name for name in manifest["left_out"] if name not in manifest["categories"]]
    if missing:
        lines.append(f"- Does not know, for want of labels: {', '.join(missing)}.")
    return "\n".join(lines)


def _files(manifest: dict[str, Any]) -> str:
    lines = [f"- `{name}` SHA-256 `{sha256}`" for name, sha256 in sorted(manifest["files"].items())]
    return "\n".join([*lines, f"- stands on the trunk `{manifest['trunk_key']}`"])
