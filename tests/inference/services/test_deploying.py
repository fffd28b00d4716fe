"""The settings of serving: changed, checked, written down."""

from __future__ import annotations

from labeling.models import AuditEntry
from tests.inference.serving import URL


def test_settings_are_changed_checked_and_written_down(api, project, champion) -> None:
    response = api.patch(URL + "serving/", {"challenger_mode": "share", "challenger_share": 0.2}, format="json")
    assert response.status_code == 200, response.content
    assert response.json()["settings"]["challenger_share"] == 0.2
    assert AuditEntry.objects.get(action="serving_changed").changes["challenger_share"] == [0.1, 0.2]
    for bad in ({"challenger_share": 0.9}, {"sample_rate": 2}, {"error_bound": 0}, {"challenger_mode": "all"}):
        assert api.patch(URL + "serving/", bad, format="json").status_code == 400, bad


def test_a_setting_out_of_range_is_named_with_its_range(api, project, champion) -> None:
    for name, bad in (("challenger_share", 0.9), ("error_bound", 0), ("sample_rate", -1), ("retention_days", 4000)):
        refused = api.patch(URL + "serving/", {name: bad}, format="json").json()["error"]
        assert list(refused["fields"]) == [name], refused
        assert "Constraint" not in str(refused)
