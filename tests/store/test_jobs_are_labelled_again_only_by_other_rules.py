"""A new account of a source changes discounts, and no label: a large history takes minutes."""

from __future__ import annotations

import re

from exporter.config import stored
from exporter.config.labels import FamilyRule, LabelRules
from exporter.config.model import Configuration
from exporter.store.database import Database

INSERT = """
INSERT INTO training_jobs (
    training_job_arn, creation_time, training_job_name, account_id, region, training_job_status,
    job_family, first_synced_at, updated_at
)
VALUES ('arn', now(), 'nightly-42', '111122223333', 'eu-west-1', 'Completed', NULL, now(), now())
"""
FAMILY = "SELECT job_family FROM training_jobs"


def family(database: Database) -> object:
    with database.reading() as connection:
        return connection.execute(FAMILY).scalar()


def test_only_other_rules_label_jobs_again(database: Database) -> None:
    stored.apply(database, Configuration(), {})
    with database.writing() as connection:
        connection.execute(INSERT)
    assert stored.apply(database, Configuration(), {"prod": ["444455556666"]})
    assert family(database) is None
    rules = LabelRules(families=(FamilyRule(pattern=re.compile("^(?P<family>night)")),))
    assert stored.apply(database, Configuration(rules=rules), {})
    assert family(database) == "night"
