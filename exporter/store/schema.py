"""Every table and column, described once.

The migrations create these tables, the upserts build their Arrow batches from them, `db check`
compares DuckDB's own catalogue with them, and the reference pages print their comments.

Only primary keys: DuckDB pays for each secondary index at every upsert, foreign keys break
upserts of parents, and the service's statuses are open sets, so no ENUM and no CHECK.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Date,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)
from sqlalchemy.types import TypeEngine

metadata: Final = MetaData()

#: Money and prices, exact. Every amount is rounded half-up to 12 places once a segment.
Money: Final = Numeric(38, 12)
Utc: Final = TIMESTAMP(timezone=True)

#: Identity of a job: DeleteTrainingJob frees the name, so the ARN alone may come again.
KEY: Final = ("training_job_arn", "creation_time")


def _column(name: str, type_: TypeEngine[Any], comment: str, *, null: bool = True) -> Column[Any]:
    # autoincrement: as a key, an integer would become a serial number, which DuckDB does not know.
    return Column(name, type_, nullable=null, comment=comment, autoincrement=False)


def _defaulted(name: str, type_: TypeEngine[Any], default: str, comment: str) -> Column[Any]:
    """Return a column that a row may leave out; `default` is its value in SQL."""
    return Column(name, type_, nullable=False, server_default=text(default), comment=comment)


def _text(name: str, comment: str, *, null: bool = True) -> Column[Any]:
    return _column(name, String(), comment, null=null)


def _time(name: str, comment: str, *, null: bool = True) -> Column[Any]:
    return _column(name, Utc, comment, null=null)


def _int(name: str, comment: str, *, null: bool = True) -> Column[Any]:
    return _column(name, BigInteger(), comment, null=null)


def _flag(name: str, comment: str, *, null: bool = True) -> Column[Any]:
    return _column(name, Boolean(), comment, null=null)


def _json(name: str, comment: str, *, null: bool = True) -> Column[Any]:
    return _column(name, JSON(), comment, null=null)


def _key() -> list[Column[Any]]:
    return [
        _text("training_job_arn", "ARN of the job; with creation_time its identity", null=False),
        _time("creation_time", "When the job was created (AWS: CreationTime), UTC", null=False),
    ]


def _scope() -> list[Column[Any]]:
    return [
        _text("account_id", "AWS account, 12 digits", null=False),
        _text("region", "AWS region, such as eu-west-1", null=False),
    ]


training_jobs: Final = Table(
    "training_jobs",
    metadata,
    *_key(),
    *_scope(),
    _text("training_job_name", "TrainingJobName", null=False),
    _text("training_job_status", "TrainingJobStatus as last known; text, the set is open"),
    _text("secondary_status", "SecondaryStatus as last known; text, the set is open"),
    _time("training_end_time", "TrainingEndTime: the end of training, and of a pool's wait begin"),
    _time("last_modified_time", "LastModifiedTime: when the status last changed; may be absent"),
    _text("warm_pool_status", "WarmPoolStatus.Status: Available, InUse, Reused, Terminated, …"),
    _int(
        "warm_pool_retained_seconds",
        "ResourceRetainedBillableTimeInSeconds, for one instance; final at Reused or Terminated",
    ),
    _text("warm_pool_reused_by_job", "ReusedByJob: the name of the job that took the pool over"),
    _text("training_plan_arn", "TrainingPlanArn; such a job is not priced on demand"),
    _time("first_synced_at", "Server time of the answer that first showed the job", null=False),
    _time("updated_at", "Server time of the answer that last changed this row", null=False),
    _time(
        "verified_at",
        "Server time of the last sure answer (List or Describe, not Search) kept for this row",
    ),
    _time("deleted_at", "Server time at which Describe said that the job is gone; NULL = it lives"),
    _text("open_reason", "Why the job is still watched; NULL = closed, it cannot change again"),
    _flag("details_due", "True: training_job_details lacks this job or is behind it"),
    _text("job_family", "Family the name, tags or tuning job place the job in; NULL = its own"),
    _text("family_rule", "The rule that gave job_family"),
    _text("team", "Team by the rules of the configuration; NULL = no rule matched"),
    _text("team_rule", "The rule that gave team"),
    PrimaryKeyConstraint(*KEY),
    comment="One row for each training job that ever was, also after AWS forgot it",
)

training_job_changes: Final = Table(
    "training_job_changes",
    metadata,
    *_key(),
    _time("observed_at", "Server time of the answer that showed this state", null=False),
    _text("run_id", "The run that saw it (sync_runs)", null=False),
    _text("training_job_status", "TrainingJobStatus from then on"),
    _text("secondary_status", "SecondaryStatus from then on"),
    _text("warm_pool_status", "WarmPoolStatus.Status from then on"),
    _int("warm_pool_retained_seconds", "ResourceRetainedBillableTimeInSeconds from then on"),
    _text("warm_pool_reused_by_job", "ReusedByJob from then on"),
    _time("last_modified_time", "LastModifiedTime from then on"),
    comment="Append-only history: a row at first sight and for each change as observed",
)

training_job_details: Final = Table(
    "training_job_details",
    metadata,
    *_key(),
    _text("instance_type", "Instance type as billed; NULL for instance groups"),
    _int("instance_count", "Instance count as billed; NULL for instance groups"),
    _json("instance_groups", "InstanceGroups: [{InstanceType, InstanceCount, …}], else NULL"),
    _int("volume_size_gb", "VolumeSizeInGB of each instance"),
    _int("keep_alive_seconds", "KeepAlivePeriodInSeconds; NULL or 0 = no warm pool asked for"),
    _time("training_start_time", "TrainingStartTime; NULL = never started, or not yet"),
    _int("billable_seconds", "BillableTimeInSeconds, for one instance"),
    _int("training_seconds", "TrainingTimeInSeconds, for one instance"),
    _flag("managed_spot", "EnableManagedSpotTraining"),
    _text("tuning_job_arn", "TuningJobArn of the tuning job that made this job"),
    _text("role_arn", "RoleArn the job ran with"),
    _text("failure_reason", "FailureReason, secrets redacted"),
    _json("tags", "Tags as one JSON object; NULL = never read"),
    _json(
        "status_transitions",
        "SecondaryStatusTransitions: [{Status, StartTime, EndTime}], times ISO 8601 UTC",
    ),
    _text("volume_kms_key_id", "VolumeKmsKeyId"),
    _json("subnets", "VpcConfig.Subnets, sorted"),
    _json("security_group_ids", "VpcConfig.SecurityGroupIds, sorted"),
    _flag("encrypt_traffic", "EnableInterContainerTrafficEncryption"),
    _flag("network_isolation", "EnableNetworkIsolation"),
    _time("fetched_at", "Server time of the answer these details come from", null=False),
    _flag("final", "True: nothing in here can change again; not fetched any more", null=False),
    _flag("serverless", "True: a serverless job, not priced by the instance; NULL = not known"),
    PrimaryKeyConstraint(*KEY),
    comment="What Search or Describe adds to a job; never Environment or HyperParameters",
)

prices: Final = Table(
    "prices",
    metadata,
    _text("region", "AWS region", null=False),
    _text("component", "Training, Training Warm Pool, or either with ' ML storage'", null=False),
    _text("instance_type", "Such as ml.m5.xlarge; empty for storage", null=False),
    _column("usd_per_unit", Money, "Price of one unit in currency, usually USD", null=False),
    _text("unit", "Hrs, or GB-Mo for storage", null=False),
    _column("effective_from", Date(), "First UTC day on which the price is in force", null=False),
    _text(
        "source",
        "Origin: a kept bill ('bill: …') beats an import, an import beats the Price List API, "
        "the API beats 'shipped list: …'",
        null=False,
    ),
    _defaulted("account_id", String(), "''", "Account that pays this price; empty = all accounts"),
    _defaulted("currency", String(), "'USD'", "Currency of usd_per_unit: USD, CNY or EUR"),
    _column("effective_until", Date(), "End date, exclusive; NULL = in force until the next price"),
    _defaulted("import_id", BigInteger(), "0", "Import (price_imports); 0 = not imported"),
    PrimaryKeyConstraint(
        "region",
        "component",
        "instance_type",
        "account_id",
        "effective_from",
        "source",
        "import_id",
    ),
    comment="Dated public or imported prices; the costs use the one in force when time was spent",
)

price_imports: Final = Table(
    "price_imports",
    metadata,
    _int("import_id", "Number of the import; a later import has a higher number", null=False),
    _text("file", "Name of the imported file, or of the kept bill", null=False),
    _time("imported_at", "When it was imported, by this machine's clock; NULL = not recorded"),
    _time("removed_at", "When its prices were removed; NULL = they are in prices"),
    PrimaryKeyConstraint("import_id"),
    comment="One row for each import of prices and each kept bill",
)

sync_scopes: Final = Table(
    "sync_scopes",
    metadata,
    *_scope(),
    _time("watermark", "Server time at which the last complete listing first began"),
    _time("discovered_to", "Creation time up to which everything has been listed"),
    _time("discovered_from", "Creation time from which on it was listed; NULL = from the first"),
    _time("last_complete_at", "Server time at which the last complete sync of the scope ended"),
    _text("listing_mode", "The unfinished listing, if any: backfill, incremental, full or extend"),
    _time("listing_created_after", "Its window: jobs created after this; NULL = from the first"),
    _time("listing_created_before", "Its window: jobs created before this; NULL = to the last"),
    _time("listing_modified_after", "Its LastModifiedTimeAfter; NULL = not filtered"),
    _time("listing_began_at", "Server time at which it first began; NULL = the server gave none"),
    _time("listing_position", "Creation time it has reached; it goes on from there"),
    _text("last_error", "What stopped the last run of this scope; NULL = it was complete"),
    _int("failing_runs", "For how many runs in a row last_error has stood"),
    PrimaryKeyConstraint("account_id", "region"),
    comment="One row an account and region: how far it has been read",
)

sync_runs: Final = Table(
    "sync_runs",
    metadata,
    _text("run_id", "One listing of one scope; those of one command share the start", null=False),
    *_scope(),
    _text("mode", "backfill, incremental, full, extend or filter", null=False),
    _time("started_at", "When it started, by this machine's clock", null=False),
    _time("ended_at", "When it ended, by this machine's clock; NULL = it was killed"),
    _text("outcome", "running, complete, failed or interrupted", null=False),
    _json("calls", "Calls by operation, retries included: {operation: n}"),
    _int("pages", "Pages of ListTrainingJobs"),
    _int("empty_pages", "Pages that held no job and yet were not the last"),
    _int("throttles", "Answers that were 'rate exceeded'"),
    _int("jobs_seen", "Rows that List returned"),
    _int("jobs_inserted", "Jobs not known before"),
    _int("jobs_changed", "Known jobs that had changed"),
    _int("jobs_deleted", "Jobs found to be gone at AWS"),
    _time("watermark_before", "Watermark when it started"),
    _time("watermark_after", "Watermark when it ended"),
    _text("plan", "What it chose to ask for, and why"),
    _text("error", "What stopped it, if anything"),
    PrimaryKeyConstraint("run_id"),
    comment="Ledger of runs; those that found nothing are kept 90 days",
)

accounts: Final = Table(
    "accounts",
    metadata,
    _text("account_id", "AWS account, 12 digits", null=False),
    _text("account_name", "Its name by the [accounts] table of the configuration", null=False),
    PrimaryKeyConstraint("account_id"),
    comment="Account names of the configuration, as of the last sync",
)

discounts: Final = Table(
    "discounts",
    metadata,
    _text("account_id", "Account it holds for; empty = every account", null=False),
    _text("component", "Component it holds for (see prices); empty = every one", null=False),
    _column("percent", Numeric(9, 6), "Per cent off every price that is not imported", null=False),
    PrimaryKeyConstraint("account_id", "component"),
    comment="Discounts of the configuration, as of the last sync; the narrowest one counts",
)

local_storage_families: Final = Table(
    "local_storage_families",
    metadata,
    _text("family", "Instance family, such as g5 in ml.g5.xlarge", null=False),
    PrimaryKeyConstraint("family"),
    comment="Families with local NVMe storage: their jobs are not charged for ML storage",
)

settings: Final = Table(
    "settings",
    metadata,
    _text("name", "What is kept", null=False),
    _text("value", "Its value", null=False),
    PrimaryKeyConstraint("name"),
    comment="Small facts the program keeps: which rules and shipped prices the rows rest on",
)
