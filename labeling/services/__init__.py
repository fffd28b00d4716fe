"""The verbs of the labeling room: keyword-only, typed, atomic. They return the row, or raise a CrowdtuneError.

One file a theme; import the verbs from here.
"""

from __future__ import annotations

from labeling.services.appeals import appeal_pause, decide_appeal
from labeling.services.archiving import archive_project, reopen_project
from labeling.services.automatic import label_by_model, withdraw_model_labels
from labeling.services.categories import add_example, change_category, change_example, remove_example
from labeling.services.chosen import change_images
from labeling.services.claims import claim_assignment, claim_leases, find_lease, release_assignment, skip_assignment
from labeling.services.copying import copy_project
from labeling.services.exports import start_export
from labeling.services.golds import make_box_golds, remove_gold, set_gold
from labeling.services.grids import can_undo_grid, claim_grid, grid_question, submit_grid, undo_grid
from labeling.services.images import (
    add_images,
    add_stored,
    delete_images,
    drop_stored,
    import_images,
    import_judgments,
    import_labels,
    store_images,
)
from labeling.services.judging import feedback, stored_json, submit_judgment, submit_leased
from labeling.services.keys import make_key, revoke_key
from labeling.services.members import (
    add_member,
    change_member,
    ensure_member,
    hand_over_project,
    join_by_invite,
    pause_worker,
    read_warning,
    remove_member,
    resume_worker,
    successors,
    weigh_worker,
)
from labeling.services.oversight import (
    RULE_FIELDS,
    add_rule,
    add_webhook,
    change_rule,
    change_webhook,
    remove_rule,
    remove_webhook,
    replace_webhook_secret,
    send_again,
)
from labeling.services.profiles import change_profile
from labeling.services.projects import change_project, create_project, delete_project, renew_invite
from labeling.services.review import decide_task, reopen_task, retire_task
from labeling.services.surveys import replace_survey
from labeling.services.tasks import (
    MOST_MORE,
    change_tasks,
    hand_out_sooner,
    open_more,
    open_task_for,
    raise_priority,
    retire_when_spent,
    suggest_answers,
)
from labeling.services.undoing import undo_last
from labeling.services.wordings import progress_of

__all__ = [
    "MOST_MORE",
    "RULE_FIELDS",
    "add_example",
    "add_images",
    "add_member",
    "add_rule",
    "add_stored",
    "add_webhook",
    "appeal_pause",
    "archive_project",
    "can_undo_grid",
    "change_category",
    "change_example",
    "change_images",
    "change_member",
    "change_profile",
    "change_project",
    "change_rule",
    "change_tasks",
    "change_webhook",
    "claim_assignment",
    "claim_grid",
    "claim_leases",
    "copy_project",
    "create_project",
    "decide_appeal",
    "decide_task",
    "delete_images",
    "delete_project",
    "drop_stored",
    "ensure_member",
    "feedback",
    "find_lease",
    "grid_question",
    "hand_out_sooner",
    "hand_over_project",
    "import_images",
    "import_judgments",
    "import_labels",
    "join_by_invite",
    "label_by_model",
    "make_box_golds",
    "make_key",
    "open_more",
    "open_task_for",
    "pause_worker",
    "progress_of",
    "raise_priority",
    "read_warning",
    "release_assignment",
    "remove_example",
    "remove_gold",
    "remove_member",
    "remove_rule",
    "remove_webhook",
    "renew_invite",
    "reopen_project",
    "reopen_task",
    "replace_survey",
    "replace_webhook_secret",
    "resume_worker",
    "retire_task",
    "retire_when_spent",
    "revoke_key",
    "send_again",
    "set_gold",
    "skip_assignment",
    "start_export",
    "store_images",
    "stored_json",
    "submit_grid",
    "submit_judgment",
    "submit_leased",
    "successors",
    "suggest_answers",
    "undo_grid",
    "undo_last",
    "weigh_worker",
    "withdraw_model_labels",
]
