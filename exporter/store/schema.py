"""Describes every table and column once.

The migrations create these tables, upserts build their Arrow batches from them, `db check`
compares the catalogue of DuckDB with them, and the reference pages print their comments.

The only constraints are primary keys and NOT NULL. A secondary index slows down every upsert of
DuckDB, a foreign key breaks upserts of the parent, and AWS may add statuses (no ENUM, no CHECK).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

#: Types, as DuckDB's catalogue writes them. Money and prices are exact: each segment of cost is
#: rounded half-up to 12 places, once.
MONEY: Final = "DECIMAL(38,12)"
PERCENT: Final = "DECIMAL(9,6)"
UTC: Final = "TIMESTAMP WITH TIME ZONE"
JSON: Final = "JSON"

#: Identity of a job. DeleteTrainingJob frees the name, so another job may get the same ARN.
KEY: Final = ("training_job_arn", "creation_time")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: Its type, as DuckDB's catalogue writes it.
        comment: Its COMMENT.
        nullable: Whether it may be NULL.
        default: In SQL, its value in a row that leaves it out; None = NULL.
    """

    name: str
    type: str
    comment: str
    nullable: bool = True
    default: str | None = None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its name.
        columns: Its columns, in order.
        comment: Its COMMENT.
        key: The columns of its primary key; empty = it has none.
    """

    name: str
    columns: tuple[Column, ...]
    comment: str
    key: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def types(self) -> dict[str, str]:
        """The type of each column, by its name."""
        return {column.name: column.type for column in self.columns}

    @property
    def ddl(self) -> str:
        """The CREATE TABLE statement of the table."""
        parts = [_definition(column) for column in self.columns]
        if self.key:
            parts.append(f"PRIMARY KEY ({', '.join(self.key)})")
        return f"CREATE TABLE {self.name} ({', '.join(parts)})"


#: Every table, by its name.
TABLES: Final[dict[str, Table]] = {}


def _definition(column: Column) -> str:
    default = "" if column.default is None else f" DEFAULT {column.default}"
    return f"{column.name} {column.type}{default}{'' if column.nullable else ' NOT NULL'}"


def _table(name: str, *columns: Column, comment: str, key: tuple[str, ...] = ()) -> Table:
    TABLES[name] = Table(name, columns, comment, key)
    return TABLES[name]


def _column(name: str, type_: str, comment: str, *, null: bool = True) -> Column:
    return Column(name, type_, comment, null)


def _defaulted(name: str, type_: str, default: str, comment: str) -> Column:
    """Return a column that a row may leave out; `default` is its value in SQL."""
    return Column(name, type_, comment, nullable=False, default=default)


def _text(name: str, comment: str, *, null: bool = True) -> Column:
    return Column(name, "VARCHAR", comment, null)


def _time(name: str, comment: str, *, null: bool = True) -> Column:
    return Column(name, UTC, comment, null)


def _int(name: str, comment: str, *, null: bool = True) -> Column:
    return Column(name, "BIGINT", comment, null)


def _flag(name: str, comment: str, *, null: bool = True) -> Column:
    return Column(name, "BOOLEAN", comment, null)


def _json(name: str, comment: str, *, null: bool = True) -> Column:
    return Column(name, JSON, comment, null)


def _key() -> list[Column]:
    return [
        _text(
            "training_job_arn",
            "ARN of the job; identifies the job together with creation_time",
            null=False,
        ),
        _time("creation_time", "When the job was created (AWS: CreationTime), UTC", null=False),
    ]


def _scope() -> list[Column]:
    return [
        _text("account_id", "AWS account, 12 digits", null=False),
        _text("region", "AWS region, such as eu-west-1", null=False),
    ]


training_jobs: Final = _table(
    "training_jobs",
    *_key(),
    *_scope(),
    _text("training_job_name", "TrainingJobName", null=False),
    _text("training_job_status", "TrainingJobStatus as last known; AWS may add values"),
    _text("secondary_status", "SecondaryStatus as last known; AWS may add values"),
    _time("training_end_time", "TrainingEndTime: training ends, and a warm pool begins to wait"),
    _time("last_modified_time", "LastModifiedTime: when the status last changed; may be missing"),
    _text("warm_pool_status", "WarmPoolStatus.Status: Available, InUse, Reused, Terminated, …"),
    _int(
        "warm_pool_retained_seconds",
        "ResourceRetainedBillableTimeInSeconds, for one instance; final at Reused or Terminated",
    ),
    _text("warm_pool_reused_by_job", "ReusedByJob: name of the job that reused the pool"),
    _text(
        "training_plan_arn", "TrainingPlanArn; a job with a training plan has no on-demand price"
    ),
    _time("first_synced_at", "Server time of the answer that first showed the job", null=False),
    _time("updated_at", "Server time of the answer that last changed this row", null=False),
    _time(
        "verified_at",
        "Server time of the last authoritative answer (List or Describe) merged into this row",
    ),
    _time("deleted_at", "Server time at which AWS no longer had the job; NULL = AWS has it"),
    _text(
        "open_reason", "Why sync still watches the job; NULL = closed, the job cannot change again"
    ),
    _flag("details_due", "True: training_job_details lacks this job or shows an older state"),
    _text("job_family", "Job family by name, tags or tuning job; NULL = the job is its own family"),
    _text("family_rule", "Rule that decided job_family"),
    _text("team", "Team by the rules of the configuration; NULL = no rule matches"),
    _text("team_rule", "Rule that decided team"),
    _time(
        "seen_until",
        "Latest server time that this state can be from; Search shows states of up to 2 minutes "
        "before its answer; NULL = updated_at",
    ),
    _time(
        "missing_since",
        "Server time of the first answer that the job is gone; NULL = none, or deleted_at is set",
    ),
    key=KEY,
    comment="One row per training job, even after AWS deletes it",
)

training_job_changes: Final = _table(
    "training_job_changes",
    *_key(),
    _time("observed_at", "Server time of the answer that showed this state", null=False),
    _text("run_id", "Run that saw this state (sync_runs)", null=False),
    _text("training_job_status", "TrainingJobStatus from then on"),
    _text("secondary_status", "SecondaryStatus from then on"),
    _text("warm_pool_status", "WarmPoolStatus.Status from then on"),
    _int("warm_pool_retained_seconds", "ResourceRetainedBillableTimeInSeconds from then on"),
    _text("warm_pool_reused_by_job", "ReusedByJob from then on"),
    _time("last_modified_time", "LastModifiedTime from then on"),
    comment="Append-only history: one row when a job is first seen, and one per observed change",
)

training_job_details: Final = _table(
    "training_job_details",
    *_key(),
    _text("instance_type", "Instance type as billed; NULL for instance groups"),
    _int("instance_count", "Instance count as billed; NULL for instance groups"),
    _json(
        "instance_groups", "InstanceGroups: [{InstanceType, InstanceCount, …}]; NULL without groups"
    ),
    _int("volume_size_gb", "VolumeSizeInGB of each instance"),
    _int(
        "keep_alive_seconds", "KeepAlivePeriodInSeconds; NULL or 0 = the job requested no warm pool"
    ),
    _time("training_start_time", "TrainingStartTime; NULL = not started"),
    _int("billable_seconds", "BillableTimeInSeconds, for one instance"),
    _int("training_seconds", "TrainingTimeInSeconds, for one instance"),
    _flag("managed_spot", "EnableManagedSpotTraining"),
    _text("tuning_job_arn", "TuningJobArn: the tuning job that created this job"),
    _text("role_arn", "RoleArn: execution role of the job"),
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
    _time("fetched_at", "Server time of the answer that returned these details", null=False),
    _flag(
        "final",
        "True: these details cannot change again, so sync does not fetch them any more",
        null=False,
    ),
    _flag("serverless", "True: a serverless job, which has no price per instance; NULL = unknown"),
    _time(
        "seen_until",
        "Latest server time that these details can be from; fetched_at is the earliest; "
        "NULL = fetched_at and 2 minutes",
    ),
    _int("max_runtime_seconds", "StoppingCondition.MaxRuntimeInSeconds; NULL = not known"),
    _int("max_wait_seconds", "StoppingCondition.MaxWaitTimeInSeconds, for spot; NULL = none"),
    key=KEY,
    comment="Fields of Describe and Search, one row per job; never Environment or HyperParameters",
)

prices: Final = _table(
    "prices",
    _text("region", "AWS region", null=False),
    _text("component", "Training, Training Warm Pool, or either with ' ML storage'", null=False),
    _text("instance_type", "Instance type, such as ml.m5.xlarge; empty for storage", null=False),
    _column("usd_per_unit", MONEY, "Price of one unit in currency, usually USD", null=False),
    _text("unit", "Hrs, or GB-Mo for storage", null=False),
    _column("effective_from", "DATE", "First UTC day of the price", null=False),
    _text(
        "source",
        "Origin: a kept bill ('bill: …') beats an import, an import beats the Price List API, "
        "the API beats 'shipped list: …'",
        null=False,
    ),
    _defaulted("account_id", "VARCHAR", "''", "Account that pays this price; empty = all accounts"),
    _defaulted("currency", "VARCHAR", "'USD'", "Currency of usd_per_unit: USD, CNY or EUR"),
    _column("effective_until", "DATE", "End date, exclusive; NULL = in force until the next price"),
    _defaulted("import_id", "BIGINT", "0", "Import (price_imports); 0 = not imported"),
    _defaulted(
        "training_job_arn",
        "VARCHAR",
        "''",
        "Job that a kept bill gives this rate on that day; empty = every job",
    ),
    key=(
        "region",
        "component",
        "instance_type",
        "account_id",
        "effective_from",
        "source",
        "import_id",
        "training_job_arn",
    ),
    comment="Dated public or imported prices; the costs use the one in force when time was spent",
)

rates: Final = _table(
    "rates",
    _text(
        "account_id",
        "Account with a price or discount of its own; empty = every other account",
        null=False,
    ),
    _text("region", "AWS region", null=False),
    _text("component", "Component as billed, see prices", null=False),
    _text("instance_type", "Instance type; empty for storage", null=False),
    _flag(
        "is_bill",
        "True: the rate of a kept bill, which beats the other row of its day",
        null=False,
    ),
    _column("valid_from", "DATE", "First UTC day", null=False),
    _column("valid_to", "DATE", "End date, exclusive", null=False),
    _column(
        "usd_per_unit",
        MONEY,
        "Price of one unit in currency after discount, rounded half-up to 12 places",
        null=False,
    ),
    _int("picousd_per_unit", "That price in units of 1e-12, for exact arithmetic", null=False),
    _text("unit", "Hrs or GB-Mo", null=False),
    _text(
        "price_source",
        "Source of the price, with the discount if there is one; of a shipped price also the day "
        "on which somebody saw it",
        null=False,
    ),
    _text(
        "priced_as",
        "Component of the price; Training for a pool without a price of its own",
        null=False,
    ),
    _column("list_usd_per_unit", MONEY, "Price before the discount", null=False),
    _column(
        "discount_percent",
        PERCENT,
        "Discount in per cent; NULL = none (imported prices have none)",
    ),
    _column(
        "effective_from",
        "DATE",
        "First day of the price; in an estimate it can be later than valid_from",
        null=False,
    ),
    _flag(
        "estimated",
        "True before the first known date, and 180 days after a shipped price was seen",
        null=False,
    ),
    _text("currency", "Currency of the price: USD, CNY or EUR", null=False),
    comment="Prices in force on each day, computed from prices and discounts whenever those "
    "change; a change by hand counts after the next sync or change of prices",
)

price_imports: Final = _table(
    "price_imports",
    _int("import_id", "Number of the import; a later import has a higher number", null=False),
    _text("file", "Name of the imported file, or of the kept bill", null=False),
    _time("imported_at", "When it was imported, by this machine's clock; NULL = not recorded"),
    _time("removed_at", "When its prices were removed; NULL = they are in prices"),
    key=("import_id",),
    comment="One row for each import of prices and each kept bill",
)

sync_scopes: Final = _table(
    "sync_scopes",
    *_scope(),
    _time("watermark", "Server time at which the last complete listing began"),
    _time("discovered_to", "Creation time up to which every job has been listed"),
    _time(
        "discovered_from",
        "Creation time from which every job has been listed; NULL = from the first job",
    ),
    _time("last_complete_at", "Server time at which the last complete sync of the scope ended"),
    _text(
        "listing_mode",
        "Mode of the unfinished listing, if any: backfill, incremental, full or extend",
    ),
    _time(
        "listing_created_after",
        "Unfinished listing: jobs created after this; NULL = from the first",
    ),
    _time(
        "listing_created_before", "Unfinished listing: jobs created before this; NULL = to the last"
    ),
    _time(
        "listing_modified_after",
        "Unfinished listing: its LastModifiedTimeAfter; NULL = not filtered",
    ),
    _time("listing_began_at", "Unfinished listing: server time at which it began; NULL = unknown"),
    _time(
        "listing_position", "Unfinished listing: creation time that it has reached and resumes from"
    ),
    _text("last_error", "Error of the last run of this scope; NULL = the run was complete"),
    _int("failing_runs", "Number of runs in a row that failed"),
    _time("retired_at", "When `db forget` retired the scope; NULL = it is in use"),
    key=("account_id", "region"),
    comment="One row per account and region: how far sync has read it",
)

sync_runs: Final = _table(
    "sync_runs",
    _text("run_id", "One listing of one scope; runs of one sync share a prefix", null=False),
    *_scope(),
    _text("mode", "backfill, incremental, full, extend or filter", null=False),
    _time("started_at", "Start, by the clock of the machine that ran sync", null=False),
    _time("ended_at", "End, by the clock of the machine that ran sync; NULL = not ended"),
    _text("outcome", "running, complete, failed or interrupted", null=False),
    _json("calls", "Calls by operation, retries included: {operation: n}"),
    _int("pages", "Pages of ListTrainingJobs"),
    _int("empty_pages", "Empty pages that were not the last page"),
    _int("throttles", "Calls that AWS throttled (rate exceeded)"),
    _int("jobs_seen", "Rows that ListTrainingJobs returned"),
    _int("jobs_inserted", "Jobs that were new"),
    _int("jobs_changed", "Known jobs that changed"),
    _int("jobs_deleted", "Jobs that AWS no longer had"),
    _time("watermark_before", "Watermark at the start"),
    _time("watermark_after", "Watermark at the end"),
    _text("plan", "What sync decided to list, and why"),
    _text("error", "Error that stopped the run; NULL = none"),
    _json(
        "odd_records",
        "Records that are not as the API documents them, by member: "
        "{skipped: {Operation.Member: n}, repaired: {…}}",
    ),
    key=("run_id",),
    comment="Ledger of runs; `db prune` keeps runs without news for 90 days",
)

accounts: Final = _table(
    "accounts",
    _text("account_id", "AWS account, 12 digits", null=False),
    _text("account_name", "Account name, from [accounts] in the configuration", null=False),
    key=("account_id",),
    comment="Account names from the configuration, as of the last sync",
)

discounts: Final = _table(
    "discounts",
    _text("account_id", "Account with the discount; empty = every account", null=False),
    _text(
        "component", "Component with the discount (see prices); empty = every component", null=False
    ),
    _column("percent", PERCENT, "Per cent off every price that was not imported", null=False),
    key=("account_id", "component"),
    comment="Discounts from the configuration, as of the last sync; the most specific one applies",
)

local_storage_families: Final = _table(
    "local_storage_families",
    _text("family", "Instance family, such as g5 in ml.g5.xlarge", null=False),
    key=("family",),
    comment="Instance families with local NVMe storage: their jobs pay no ML storage",
)

quotas: Final = _table(
    "quotas",
    *_scope(),
    _text("instance_type", "Instance type, such as ml.m5.xlarge", null=False),
    _text("kind", "training: running jobs and waiting pools; warm pool: waiting pools", null=False),
    _int("instances", "Instances that the quota allows at a time", null=False),
    _text("quota_code", "QuotaCode, to request an increase with; NULL = AWS gave none"),
    _time("read_at", "When it was read, by this machine's clock", null=False),
    key=("account_id", "region", "instance_type", "kind"),
    comment="Service quotas of training jobs and warm pools, as of the last reading",
)

settings: Final = _table(
    "settings",
    _text("name", "Name of the fact", null=False),
    _text("value", "Value of the fact", null=False),
    key=("name",),
    comment="Facts about this file, such as the rules and shipped prices behind its rows",
)
