"""Each fault of credentials and of their environment is one line that names cause and remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import Fault, Scope, Simulator
from tests.conftest import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.cli.conftest import Command

SECRET = "planted-secret-Zq81"  # noqa: S105 - what no output may contain
KEYS = f"aws_access_key_id = AKIA{ACCOUNT}\naws_secret_access_key = {SECRET}\n"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
WEB = f"role_arn = {ROLE}\nweb_identity_token_file = "
SSO = "sso_account_id = 111122223333\nsso_role_name = reader\n"


@dataclass(frozen=True)
class Case:
    """A fault, the exit code of a sync, and its line after the name of the program.

    Attributes:
        name: What is wrong.
        code: Exit code.
        line: The line; {here} is the folder of the files.
        profile: The text of `[profile p]`; {here} is the folder of the files.
        env: Environment variables.
        args: More arguments of `sync`.
        fault: What the service answers.
    """

    name: str
    code: int
    line: str
    profile: str = KEYS
    env: dict[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ("--profile", "p", "--region", REGION)
    fault: Fault | None = None


ENVIRONMENT = ("--region", REGION)
STATIC = {"AWS_ACCESS_KEY_ID": f"AKIA{ACCOUNT}", "AWS_SECRET_ACCESS_KEY": SECRET}
CASES = (
    Case(
        "helper missing",
        5,
        "p: A file that the AWS configuration names cannot be used: {here}/nowhere: No "
        "such file or directory. Nothing is lost. Correct credential_process, "
        "web_identity_token_file or the file itself.",
        "credential_process = {here}/nowhere\n",
    ),
    Case(
        "helper not executable",
        5,
        "p: A file that the AWS configuration names cannot be used: {here}/plain: "
        "Permission denied. Nothing is lost. Correct credential_process, "
        "web_identity_token_file or the file itself.",
        "credential_process = {here}/plain\n",
    ),
    Case(
        "helper prints no JSON",
        5,
        "p: The output of the credential provider is not as documented "
        "(JSONDecodeError). Nothing is lost. Check credential_process or "
        "web_identity_token_file of the profile.",
        "credential_process = {here}/text\n",
    ),
    Case(
        "helper prints a list",
        5,
        "p: The output of the credential provider is not as documented "
        "(AttributeError). Nothing is lost. Check credential_process or "
        "web_identity_token_file of the profile.",
        "credential_process = {here}/list\n",
    ),
    Case(
        "helper prints nothing",
        5,
        "p: The output of the credential provider is not as documented "
        "(JSONDecodeError). Nothing is lost. Check credential_process or "
        "web_identity_token_file of the profile.",
        "credential_process = /bin/true\n",
    ),
    Case(
        "helper prints bytes",
        5,
        "p: The output of the credential provider is not as documented "
        "(UnicodeDecodeError). Nothing is lost. Check credential_process or "
        "web_identity_token_file of the profile.",
        "credential_process = {here}/bytes\n",
    ),
    Case(
        "helper exits with 1",
        5,
        "p: The credential provider failed (custom-process). Nothing is lost. Run the "
        "credential_process of the profile by hand to see why.",
        "credential_process = {here}/fails\n",
    ),
    Case(
        "helper prints half a pair",
        5,
        "p: The credential provider failed (custom-process). Nothing is lost. Run the "
        "credential_process of the profile by hand to see why.",
        "credential_process = {here}/half\n",
    ),
    Case(
        "helper prints another version",
        5,
        "p: The credential provider failed (custom-process). Nothing is lost. Run the "
        "credential_process of the profile by hand to see why.",
        "credential_process = {here}/version\n",
    ),
    Case(
        "helper prints expired keys",
        5,
        "p: The credential provider returned expired credentials. Nothing is lost. "
        "Renew them where the credential_process of the profile reads them.",
        "credential_process = {here}/expired\n",
    ),
    Case(
        "helper prints a bad time",
        5,
        "p: The output of the credential provider is not as documented (ParserError). "
        "Nothing is lost. Check credential_process or web_identity_token_file of the "
        "profile.",
        "credential_process = {here}/time\n",
    ),
    Case(
        "helper prints a line break",
        5,
        "p: A key or token contains a line break or another control character. It is "
        "not shown. Correct it where it is set.",
        "credential_process = {here}/break\n",
    ),
    Case(
        "helper command with an open quote",
        5,
        "p: The output of the credential provider is not as documented (ValueError). "
        "Nothing is lost. Check credential_process or web_identity_token_file of the "
        "profile.",
        "credential_process = {here}/x 'y\n",
    ),
    Case(
        "token file missing",
        5,
        "p: A file that the AWS configuration names cannot be used: {here}/nowhere: No "
        "such file or directory. Nothing is lost. Correct credential_process, "
        "web_identity_token_file or the file itself.",
        WEB + "{here}/nowhere\n",
    ),
    Case(
        "token file unreadable",
        5,
        "p: A file that the AWS configuration names cannot be used: {here}: Is a "
        "directory. Nothing is lost. Correct credential_process, "
        "web_identity_token_file or the file itself.",
        WEB + "{here}\n",
    ),
    Case(
        "token file of bytes",
        5,
        "p: The output of the credential provider is not as documented "
        "(UnicodeDecodeError). Nothing is lost. Check credential_process or "
        "web_identity_token_file of the profile.",
        WEB + "{here}/token\n",
    ),
    Case(
        "MFA without a terminal",
        5,
        "p: The role of the profile needs an MFA code, and there is no terminal to ask "
        "at. Use a profile without mfa_serial, or keys that are already assumed.",
        f"role_arn = {ROLE}\nsource_profile = keys\nmfa_serial = arn:aws:iam::1:mfa/me\n",
    ),
    Case(
        "SSO token missing",
        5,
        "p: There is no valid SSO token (SSOTokenLoadError). Nothing is lost. Run `aws "
        "sso login` for this profile.",
        SSO + "sso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n",
    ),
    Case(
        "SSO session without a token",
        5,
        "p: There is no valid SSO token (SSOTokenLoadError). Nothing is lost. Run `aws "
        "sso login` for this profile.",
        SSO + "sso_session = s\n",
    ),
    Case(
        "SSO session missing",
        5,
        "p: The AWS configuration is wrong: The specified sso-session does not exist: "
        '"nowhere". Nothing is lost. Correct the AWS configuration file.',
        SSO + "sso_session = nowhere\n",
    ),
    Case(
        "SSO half configured",
        5,
        'p: The AWS configuration is wrong: The profile "p" is configured to use SSO '
        "but is missing required configuration: sso_role_name, sso_region. Nothing is "
        "lost. Correct the AWS configuration file.",
        "sso_account_id = 1\nsso_start_url = https://x\n",
    ),
    Case(
        "half a key pair in the profile",
        5,
        "p: The key pair is incomplete: aws_secret_access_key is missing "
        "(config-file). Nothing is lost. Set both the access key id and the secret "
        "access key.",
        f"aws_access_key_id = AKIA{ACCOUNT}\n",
    ),
    Case(
        "half a key pair in the environment",
        5,
        "the default profile: The key pair is incomplete: AWS_SECRET_ACCESS_KEY is "
        "missing (env). Nothing is lost. Set both the access key id and the secret "
        "access key.",
        env={"AWS_ACCESS_KEY_ID": f"AKIA{ACCOUNT}"},
        args=ENVIRONMENT,
    ),
    Case(
        "no credentials",
        5,
        "the default profile: No AWS credentials are set. Nothing is lost. Choose a "
        "profile (--profile, AWS_PROFILE), set keys, or run `aws sso login`.",
        args=ENVIRONMENT,
    ),
    Case(
        "profile without keys",
        5,
        "p: No AWS credentials are set. Nothing is lost. Choose a profile (--profile, "
        "AWS_PROFILE), set keys, or run `aws sso login`.",
        "output = json\n",
    ),
    Case(
        "unknown profile",
        5,
        "There is no profile 'nobody'.",
        args=("--profile", "nobody", "--region", REGION),
    ),
    Case(
        "misspelled profile",
        5,
        "There is no profile 'keyz'. Did you mean 'keys'?",
        args=("--profile", "keyz", "--region", REGION),
    ),
    Case(
        "unknown profile in AWS_PROFILE",
        5,
        "There is no profile 'nobody'.",
        env={"AWS_PROFILE": "nobody"},
        args=ENVIRONMENT,
    ),
    Case(
        "source profile missing",
        5,
        'p: The AWS configuration is wrong: The source_profile "nobody" referenced in '
        'the profile "p" does not exist. Nothing is lost. Correct the AWS '
        "configuration file.",
        f"role_arn = {ROLE}\nsource_profile = nobody\n",
    ),
    Case(
        "roles in a circle",
        5,
        "p: The AWS configuration is wrong: Infinite loop in credential configuration "
        "detected. Attempting to load from profile p which has already been visited. "
        "Visited profiles: ['p', 'circle']. Nothing is lost. Correct the AWS "
        "configuration file.",
        f"role_arn = {ROLE}\nsource_profile = circle\n",
    ),
    Case(
        "credential source unknown",
        5,
        'p: The AWS configuration is wrong: The credential source "Moon" referenced in '
        'profile "p" is not valid. Nothing is lost. Correct the AWS configuration '
        "file.",
        f"role_arn = {ROLE}\ncredential_source = Moon\n",
    ),
    Case(
        "expired keys",
        5,
        "p: sts:GetCallerIdentity found no usable AWS credentials "
        "(ExpiredTokenException). Nothing is lost. Set or renew them (AWS_PROFILE, "
        "--profile, `aws sso login`).",
        fault=Fault("expired", times=None),
    ),
    Case(
        "unknown keys",
        5,
        "p: sts:GetCallerIdentity does not accept these credentials in any region that "
        "was tried. Nothing is lost. Check that the keys are valid and that the "
        "regions are enabled.",
        fault=Fault("unrecognized", operation="GetCallerIdentity", times=None),
    ),
    Case(
        "clock is wrong",
        5,
        "p: sts:GetCallerIdentity was rejected (InvalidSignatureException): the clock "
        "of this machine is wrong. Nothing is lost. Set the clock, for example with "
        "NTP.",
        fault=Fault("skewed", operation="GetCallerIdentity", times=None),
    ),
    Case(
        "clock is wrong later",
        5,
        "111122223333/eu-west-1: ListTrainingJobs was rejected "
        "(InvalidSignatureException): the clock of this machine is wrong. Nothing is "
        "lost. Set the clock, for example with NTP.",
        fault=Fault("skewed", operation="ListTrainingJobs", times=None),
    ),
    Case(
        "denied by a policy",
        5,
        "111122223333/eu-west-1: A service control policy denies ListTrainingJobs "
        "(AccessDeniedException). No IAM statement helps. Ask who manages the "
        "organization, or use --exclude-region.",
        fault=Fault("denied_by_policy", operation="ListTrainingJobs", times=None),
    ),
    Case(
        "line break in the key",
        5,
        "the default profile: A key or token contains a line break or another control "
        "character. It is not shown. Correct it where it is set.",
        env=STATIC | {"AWS_ACCESS_KEY_ID": f"AKIA\n{SECRET}"},
        args=ENVIRONMENT,
    ),
    Case(
        "line break in the secret",
        5,
        "the default profile: A key or token contains a line break or another control "
        "character. It is not shown. Correct it where it is set.",
        env=STATIC | {"AWS_SECRET_ACCESS_KEY": f"{SECRET}\nx"},
        args=ENVIRONMENT,
    ),
    Case(
        "line break in the token",
        5,
        "the default profile: A key or token contains a line break or another control "
        "character. It is not shown. Correct it where it is set.",
        env=STATIC | {"AWS_SESSION_TOKEN": f"{SECRET}\nx"},
        args=ENVIRONMENT,
    ),
    Case(
        "line break in a profile",
        2,
        "A value of profile contains a line break or another control character. It is "
        "not shown. Correct it where it is set.",
        args=("--profile", f"p\n{SECRET}"),
    ),
    Case(
        "line break in AWS_PROFILE",
        5,
        "The name of the profile contains a line break; it is not shown.",
        env={"AWS_PROFILE": f"p\n{SECRET}"},
        args=ENVIRONMENT,
    ),
    Case(
        "line break in an external id",
        2,
        "A value of external_id contains a line break or another control character. It "
        "is not shown. Correct it where it is set.",
        args=("--role-arn", ROLE, "--external-id", f"x\n{SECRET}"),
    ),
    Case(
        "line break in AWS_REGION",
        2,
        "The region from AWS_REGION contains a line break; it is not shown.",
        env={"AWS_REGION": f"eu-west-1\n{SECRET}"},
        args=("--profile", "p"),
    ),
    Case(
        "line break in the endpoint",
        2,
        "The endpoint URL contains a line break; it is not shown.",
        env={"AWS_ENDPOINT_URL": f"http://127.0.0.1\n{SECRET}"},
    ),
    Case(
        "no region",
        2,
        "No region is set. Use --region, AWS_REGION or the profile.",
        args=("--profile", "p"),
    ),
    Case(
        "unknown region",
        2,
        "There is no SageMaker region 'xx-west-1' (--region or the configuration). Did "
        "you mean 'us-west-1'? If the region is new, upgrade boto3.",
        args=("--profile", "p", "--region", "xx-west-1"),
    ),
    Case(
        "region that is not of SageMaker",
        2,
        "There is no SageMaker region 'eu-wset-1' (--region or the configuration). Did "
        "you mean 'eu-west-1'? If the region is new, upgrade boto3.",
        args=("--profile", "p", "--region", "eu-wset-1"),
    ),
    Case(
        "unknown region in AWS_REGION",
        2,
        "There is no SageMaker region 'Ireland' (AWS_REGION). If the region is new, upgrade boto3.",
        env={"AWS_REGION": "Ireland"},
        args=("--profile", "p"),
    ),
    Case(
        "unknown region in the profile",
        2,
        "There is no SageMaker region 'eu_west_1' (profile p). Did you mean "
        "'eu-west-1'? If the region is new, upgrade boto3.",
        KEYS + "region = eu_west_1\n",
        args=("--profile", "p"),
    ),
)

HELPERS = {
    "text": f"echo {SECRET}",
    "list": f"echo '[\"{SECRET}\"]'",
    "bytes": f"printf '\\377{SECRET}'",
    "fails": f"echo {SECRET} >&2; exit 1",
    "half": f"""echo '{{"Version": 1, "AccessKeyId": "{SECRET}"}}'""",
    "version": f"""echo '{{"Version": "{SECRET}"}}'""",
    "expired": f"""echo '{{"Version": 1, "AccessKeyId": "AKIA{ACCOUNT}", "SecretAccessKey": \
"{SECRET}", "Expiration": "2020-01-01T00:00:00Z"}}'""",
    "time": f"""echo '{{"Version": 1, "AccessKeyId": "AKIA{ACCOUNT}", "SecretAccessKey": \
"x", "Expiration": "{SECRET}"}}'""",
    "break": f"""printf '%s' '{{"Version": 1, "AccessKeyId": "AKIA{ACCOUNT}", \
"SecretAccessKey": "x", "SessionToken": "{SECRET}\\n"}}'""",
}


@pytest.fixture
def here(simulator: Simulator, scope: Scope, tmp_path: Path) -> Iterator[Path]:
    """A folder with helpers and a token file; the service has one job."""
    scope.create_job("nightly")
    folder = tmp_path / "aws"
    folder.mkdir()
    for name, body in HELPERS.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    (folder / "plain").write_text("no program\n")
    (folder / "token").write_bytes(b"\xff" + SECRET.encode())
    yield folder
    simulator.clear_faults()


def configure(here: Path, monkeypatch: pytest.MonkeyPatch, text: str, env: dict[str, str]) -> None:
    """Set the AWS configuration and nothing else of AWS but the endpoint."""
    for name in list(os.environ):
        if name.startswith("AWS_") and name != "AWS_ENDPOINT_URL":
            monkeypatch.delenv(name)
    (here / "config").write_text(text)
    given = {
        "AWS_CONFIG_FILE": str(here / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(here / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in (given | env).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_one_line_with_its_exit_code(
    case: Case, here: Path, command: Command, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = case.profile.replace("{here}", str(here))
    circle = f"role_arn = {ROLE}\nsource_profile = p\n"
    text = (
        f"[profile p]\n{profile}[profile keys]\n{KEYS}[profile circle]\n{circle}"
        "[sso-session s]\nsso_start_url = https://x\nsso_region = eu-west-1\n"
    )
    configure(here, monkeypatch, text, case.env)
    if case.fault is not None:
        simulator.inject(case.fault)
    answer = command("sync", "--max-rps", "0", *case.args)
    line = case.line.replace("{here}", str(here))
    assert (answer.code, answer.out) == (case.code, "")
    lines = [each for each in answer.err.splitlines() if not each.startswith("sync: 0 of 1 ")]
    assert lines == [f"sagemaker-exporter: {line}"]
    verbose = command("-vv", "sync", "--max-rps", "0", *case.args)
    assert verbose.code == case.code
    assert SECRET not in verbose.out + verbose.err
