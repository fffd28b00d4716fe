"""What the schema tells a newcomer beside the calls: how to begin, what all share, each code, and bodies that work."""

from __future__ import annotations

from typing import Any

# Of answers, and of the `errors` of a job, by what is to be done.
CODES: dict[str, dict[str, str]] = {
    "400: the request must be changed": {
        "invalid": "a field, named in `fields`, is missing, unknown or not what was expected",
        "bad_request": "what came cannot be read, or is no object",
        "parse_error": "the body is no JSON, or no form",
        "bad_survey": "categories, questions or translations that make no survey",
        "bad_answer": "an answer that its question does not take",
        "bad_gold": "a known answer that its question does not take, or of an image that is not there",
        "bad_csv": "a table without the columns that are needed",
        "bad_manifest": "a manifest that cannot be read",
        "bad_row": "a line of a table that cannot be read",
        "bad_top_k": "`top_k` is no number from 1 to 1000",
        "bad_image": "a picture that is no data URL, `{id}` or `{url}`",
        "bad_data_url": "a data URL that cannot be read",
        "bad_tensor": "a tensor that is not as the protocol says (/v2)",
        "no_image": "a request without a picture",
        "too_many_images": "more pictures than one request, or the key at a time, may have",
        "no_such_category": "the version does not know the category",
        "no_such_folder": "there is nothing below this prefix",
        "unknown_image": "no image has this name or number",
        "ambiguous_image": "several images have this name: say the number",
        "unknown_question": "no question has this key",
        "unknown_method": "no aggregator has this name",
        "no_worker": "a judgment of nobody",
        "unsuited": "labels that the question cannot take",
    },
    "400: the file, or the address, is no good": {
        "not_an_image": "no picture that can be read",
        "damaged": "a picture that is cut off or damaged",
        "svg": "a drawing, without pixels",
        "empty_file": "nothing is in it",
        "too_many_pixels": "a picture with too many",
        "not_an_archive": "no zip or tar",
        "not_a_zip": "no zip",
        "damaged_archive": "an archive that is damaged",
        "encrypted": "a password is needed",
        "nested_archive": "an archive in an archive",
        "link": "a link in an archive",
        "unsafe_name": "a name that leads out of the archive",
        "too_many_files": "more than an archive may have",
        "unreadable": "labels that are not in the format that was named",
        "nothing_found": "no line, or no image, of the kind that was looked for",
        "nothing_taken": "every line was refused: see the others",
        "missing": "a file that is not there any more",
        "address_refused": "an address that is not on the public internet, or not http(s)",
        "address_unknown": "a host that cannot be found",
        "fetch_failed": "an address that gave nothing",
        "bucket_unreadable": "a bucket that cannot be listed",
    },
    "401: who is it?": {
        "not_authenticated": "no key came",
        "bad_token": "the key is unknown, over or revoked",
        "bad_credentials": "name and password do not match",
    },
    "403: not for this person or key": {
        "permission_denied": "the role, or the key's scope, does not allow it",
        "worker_paused": "paused here; an appeal can be made",
        "not_qualified": "the qualification test was not passed",
        "project_paused": "nobody is handed anything just now",
        "bucket_not_allowed": "the setting IMPORT_BUCKETS does not name it",
    },
    "404: not there, or not for you to see": {
        "not_found": "no such address, project, image, …",
        "no_such_version": "no such model version",
        "no_such_image": "no such stored image",
        "missing_file": "an image whose file is gone",
    },
    "405, 406, 411, 413, 415: the request is of the wrong kind": {
        "method_not_allowed": "`Allow` says which methods there are",
        "not_acceptable": "`Accept` leaves out what the call answers",
        "length_required": "a body without Content-Length",
        "too_large": "more bytes than are taken",
        "unsupported_media_type": "a type of body that the call does not take, or a compressed one",
    },
    "409: not as things stand": {
        "no_champion": "no model answers yet",
        "not_enough_labels": "there is too little to train on",
        "run_is_live": "a training run is under way",
        "nothing_to_do": "it is so already, or there is nothing to go back to",
        "lease_lost": "the task was handed to another meanwhile",
        "assignment_over": "answered, skipped or given back before",
        "already_answered": "other answers are stored for it",
        "nothing_to_undo": "no answer is left to take back",
        "survey_changed": "somebody has changed this part since: read it anew, or leave `survey_version` out",
        "decided": "another reviewer was quicker",
        "is_gold": "the answer to the task is known",
        "not_open": "the task is retired",
        "not_retired": "the task is not retired, or gold",
        "still_asked": "the question, or what it stands on, is in use",
        "not_a_grid": "the survey is not one yes/no question",
        "is_owner": "the owner's place is not changed this way",
        "not_paused": "there is nothing to appeal",
        "appeal_open": "the last appeal waits for an answer",
        "appeal_decided": "it has its answer",
        "not_given_up": "no delivery was given up",
        "too_many_examples": "a category has as many pictures as it may have",
        "jobs_live": "jobs are under way",
        "project_archived": "the project is read only",
        "cannot_export": "the version cannot be written in this format",
        "export_failed": "the version did not come out as it is",
        "conflict": "somebody deleted it at the same moment",
    },
    "429, 503: later; `Retry-After` says when, where it is known": {
        "throttled": "too many requests",
        "quota_spent": "the key's pictures of this minute or day are used up",
        "busy": "too much waits: once more in a moment",
        "unavailable": "the database or the store of files is away",
        "store_fails": "the store of files does not answer",
        "broken_version": "a model's files are damaged",
    },
    "500, 507: for whoever runs the platform": {
        "internal_error": "a fault of ours; the answer names the request that is in the log",
        "disk_full": "nothing was kept",
    },
}
GUIDE = """\
Crowd labels in, a served classifier out, and what it is unsure of goes back to the crowd.

**Who you are.** Send `Authorization: Token <key>`. `POST /api/v1/auth/token/` gives one for a name and a password; keys
for programs, with scopes and limits, come from the profile page or a project's `keys/`.

**The way of a label.** `POST projects/`, `POST …/images/` (answered by a job), `POST …/workers/` for each worker of
your own (answered with a token) or an invitation; with a worker's token `POST …/assignments/`, then
`POST assignments/{id}/judgment/`, until 204 says that nothing is left. `GET …/labels/` is what they say together.
`POST …/training-runs/` trains (it also starts by itself), `POST …/predict/` asks the champion, `…/predict/batch/` about
many, `POST …/exports/` takes everything out.

**Work that takes time** is answered with 202: `{"job": …}`, and `Location` says where it stands. Ask there until
`state` is `succeeded`, `failed` or `cancelled`; a file that it made is at `result.url`. A training run is asked in the
same way.

**Lists** are `{"next", "previous", "results"}`: follow `next` until it is null. `page_size` is 50, at most 500. A
parameter that looks like a misspelled filter, is a field that cannot be asked by, or asks for an order or a part that
no list has (`ordering`, `page`), is refused; others are passed by.

**Refusals** are 4xx with `{"error": {"code", "message", "fields"}}`, in which the message says what was expected, what
came and what to do (in the language of `Accept-Language`). After 429, 502, 503 and 504 send the request once more, when
the seconds of `Retry-After` are over; an answer of a worker that comes twice is kept once. `X-Request-ID`, yours or
ours, is in every answer and in the log.

**Limits.** Answers to a key with limits tell in `RateLimit` how many images are left (`r`) of this minute or
day and in how many seconds it ends (`t`), in `RateLimit-Policy` how many there are (`q`).

**Codes**, also of each of the `errors` of a job:
"""
_PROJECT = {
    "name": "Pets",
    "instructions": "Which animal is it?",
    "categories": ["cat", "dog"],
    "judgments_per_task": {"min": 3, "max": 7},
}
_RULE = {"measure": "gold_accuracy", "window": 20, "comparison": "below", "threshold": 0.6, "action": "pause"}
# By operation: a body that does what a newcomer wants of it.
EXAMPLES: dict[str, Any] = {
    "create_token": {"username": "paula", "password": "…"},
    "create_project": _PROJECT,
    "change_project": {"instructions": "Which animal is in front?", "budget": "50.00"},
    "import_images": {"urls": ["https://images.example/cat.jpg"], "gold": {"cat.jpg": "cat"}},
    "add_worker": {"username": "wanda", "role": "worker"},
    "claim_assignment": {},
    "submit_judgment": {"answers": {"category": "cat"}, "seconds": 3.2},
    "skip_assignment": {"reason": "The picture is blurred."},
    "add_rule": _RULE,
    "add_webhook": {"url": "https://hooks.example/crowdtune", "events": ["task.retired", "model.champion"]},
    "start_export": {"format": "csv"},
    "training_runs_create": {"recipe": "feature_extraction"},
    "models_promote": {"reason": "Better on the new camera's images."},
    "predict": {
        "images": ["data:image/jpeg;base64,…", {"id": 7}, {"url": "https://images.example/cat.jpg"}],
        "top_k": 3,
    },
    "explain": {"image": {"id": 7}, "category": "cat"},
    "predict_batch": {"stored": True, "format": "csv"},
    "key_make": {"name": "camera 3", "scopes": ["predict"], "per_minute": 60},
    "serving_change": {"sample_rate": 0.1, "retention_days": 30},
    "model_download": {"format": "onnx"},
    "change_worker": {"is_paused": True, "because": "Ask me about the new categories first."},
    "decide_task": {"answers": {"category": "cat"}},
}


def description() -> str:
    """The guide with its codes, as Markdown; folded, for the calls stand below them."""
    head = "| code | when |\n|---|---|\n"
    rows = {
        title: "\n".join(f"| `{code}` | {told} |" for code, told in codes.items()) for title, codes in CODES.items()
    }
    folded = [f"<details><summary>{title}</summary>\n\n{head}{lines}\n\n</details>" for title, lines in rows.items()]
    return "\n\n".join([GUIDE, *folded, ""])
