"""A web process killed under load: clients that try again see no failure."""

from __future__ import annotations

import threading

import pytest
from crowdtune_client import Client, CrowdtuneError

from labeling.accounts.keys import create_key
from tests.inference.servers import kill, start
from tests.inference.serving import picture
from tests.processes import free_port

CLIENTS, ASKED = 4, 15
PATIENCE = 60  # tries: a server of a busy machine may be a minute on its way


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_server_killed_under_load_costs_its_clients_time_and_no_answer(champion, owner) -> None:
    token, port = create_key(user=owner)[1], free_port()
    failures: list[CrowdtuneError] = []
    versions: list[int] = []
    some = threading.Event()

    def ask() -> None:
        with Client(f"http://127.0.0.1:{port}", token, retries=PATIENCE) as client:
            for number in range(ASKED):
                try:
                    versions.append(client.predict("colours", picture(number)).model_version)
                except CrowdtuneError as error:
                    failures.append(error)
                some.set()

    process = start(port)
    try:
        threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        assert some.wait(300)
        kill(process)
        process = start(port)
        for thread in threads:
            thread.join()
    finally:
        kill(process)
    assert failures == []
    assert versions == [1] * (CLIENTS * ASKED)
