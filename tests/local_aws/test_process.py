"""The local AWS as a process: how it starts, whom it serves, how it ends, and what it says where it can not start."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from demo.clients import boto3_client
from local_aws import client
from local_aws.client import PROJECT, PYTHON, LocalAwsClient, LocalAwsError, LocalAwsProcess, credentials
from tests.local_aws.process_scene import process_id, runs
from tests.local_aws.scene import WRITE_LOG, create_function, eventually

ACCOUNT = "000000000001"
SLEEPS = """
    import os, pathlib, time

    def handler(event, context):
        pathlib.Path(event["note"]).write_text(str(os.getpid()))
        time.sleep(event["seconds"])
"""

AT_REST = 3
"""The sockets of a local AWS without clients: one listens, and by two asyncio wakes itself."""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")


def write_accounts(directory: Path) -> Path:
    file = directory / "accounts.yaml"
    file.write_text(f'accounts: {{"{ACCOUNT}": {{name: one}}}}', encoding="utf-8")
    return file


@pytest.fixture
def accounts_file(tmp_path: Path) -> Path:
    return write_accounts(tmp_path)


@pytest.fixture(autouse=True)
def _processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes as users do, and fork none."""
    monkeypatch.setattr(client, "start", client.start_process)


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the directory for temporary files of the processes, of which some are killed before they can clear it up."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    return temporary


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Run a local AWS that no test ends."""
    directory = tmp_path_factory.mktemp("lasting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "start", client.start_process)
        with LocalAwsProcess(write_accounts(directory), directory / "log") as process:
            yield process


@pytest.fixture
def process(accounts_file: Path, tmp_path: Path) -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(accounts_file, tmp_path / "log") as process:
        yield process


def serve(
    accounts_file: Path, *arguments: str, stdin: int | None = None, pass_fds: Sequence[int] = ()
) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own module
        [PYTHON, "-m", "local_aws", "serve", "--accounts", str(accounts_file), *arguments],
        cwd=PROJECT,
        stdin=stdin,
        pass_fds=pass_fds,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    with process:
        said, complained = process.communicate(timeout=600)
    return process.returncode, said, complained


def is_serving(local_aws: LocalAwsClient) -> bool:
    try:
        return bool(local_aws.accounts())
    except LocalAwsError:
        return False


def sockets_of(process_id: int) -> list[str]:
    """List the sockets of a process, as "socket:[INODE]"."""
    links = []
    for file in Path("/proc", str(process_id), "fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            links.append(os.readlink(file))  # noqa: PTH115 - what it is linked to is no path
    return [link for link in links if link.startswith("socket:")]


def invoke_sleeper(local_aws: LocalAwsProcess, note: Path, seconds: float) -> int:
    """Let a function sleep in an asynchronous invocation, and return the id of its process."""

    def client_of(service: str, account_id: str) -> object:
        return boto3_client(local_aws, service, account_id)

    arn = create_function(client_of, ACCOUNT, "sleeper", SLEEPS, *WRITE_LOG)
    payload = f'{{"note": "{note}", "seconds": {seconds}}}'
    boto3_client(local_aws, "lambda", ACCOUNT).invoke(FunctionName=arn, InvocationType="Event", Payload=payload)
    return int(eventually(lambda: note.exists() and note.read_text(encoding="ascii")) or 0)


# Serving


def test_it_serves_the_accounts_of_the_file(lasting: LocalAwsProcess) -> None:
    assert lasting.accounts() == {ACCOUNT: "one"}
    assert lasting.endpoint_url == f"http://127.0.0.1:{lasting.port}"
    assert lasting.environment(ACCOUNT) == credentials(ACCOUNT) | {"AWS_ENDPOINT_URL": lasting.endpoint_url}


@linux_only
def test_it_listens_on_loopback_only(lasting: LocalAwsProcess) -> None:
    sockets, listening = sockets_of(process_id(lasting)), []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc", str(process_id(lasting)), "net", table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                listening.append((table, local))
    assert listening == [("tcp", f"0100007F:{lasting.port:04X}")]


@linux_only
def test_a_connection_ends_when_its_client_ends_it(lasting: LocalAwsProcess) -> None:
    def sockets() -> int:
        return len(sockets_of(process_id(lasting)))

    lasting.accounts()
    assert eventually(lambda: sockets() == AT_REST)
    half = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf"
    for sent in (b"", half, half + b" whole", half + b" whole" + half):
        with socket.create_connection(("127.0.0.1", lasting.port)) as connection:
            connection.sendall(sent)
            assert eventually(lambda: sockets() > AT_REST)
    boto3_client(lasting, "sts", ACCOUNT).get_caller_identity()  # and keeps its connection
    assert eventually(lambda: sockets() == AT_REST + 1)


def test_it_says_how_to_use_it(accounts_file: Path, free_port: int) -> None:
    with serve(accounts_file, "--port", str(free_port)) as process:
        assert eventually(lambda: is_serving(LocalAwsClient(free_port)))
        process.send_signal(signal.SIGINT)
        code, said, complained = run(process)
    assert (code, complained) == (0, "")
    for line in (
        f"The local AWS serves on http://127.0.0.1:{free_port}.",
        f"  {ACCOUNT} one",
        f"  export AWS_ACCESS_KEY_ID={ACCOUNT}",
        f"  export AWS_ENDPOINT_URL=http://127.0.0.1:{free_port}",
        "Functions and the scripts of runbooks run as you, without a sandbox. Web pages are refused.",
        "Ctrl-C stops it.",
    ):
        assert line in said


def test_it_does_not_use_the_credentials_of_whoever_starts_it(
    monkeypatch: pytest.MonkeyPatch, accounts_file: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of somebody")
    with LocalAwsProcess(accounts_file, tmp_path / "log") as process:
        identity = boto3_client(process, "sts", ACCOUNT).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


# Ending


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(accounts_file: Path, number: signal.Signals, free_port: int) -> None:
    with serve(accounts_file, "--port", str(free_port)) as process:
        assert eventually(lambda: is_serving(LocalAwsClient(free_port)))
        process.send_signal(number)
        assert run(process)[::2] == (0, "")
    assert not is_serving(LocalAwsClient(free_port))


def test_the_end_of_its_input_ends_it(accounts_file: Path, free_port: int) -> None:
    with serve(accounts_file, "--port", str(free_port), "--until-stdin-ends", stdin=subprocess.PIPE) as process:
        assert eventually(lambda: is_serving(LocalAwsClient(free_port)))
        assert run(process)[::2] == (0, "")


def test_nothing_is_left_of_it(process: LocalAwsProcess, tmp_path: Path) -> None:
    """A function that would go on for an hour ends with it, and does not hold it up."""
    server, function = process_id(process), invoke_sleeper(process, tmp_path / "note", seconds=3600)
    assert runs(function)
    assert process._process is not None  # noqa: SLF001 - no user needs it, and nothing else tells how it ended
    ending = process._process  # noqa: SLF001 - as above
    process.__exit__(None, None, None)
    assert ending.poll() == 0  # by itself: it was not killed because it took too long
    assert not runs(server)
    assert eventually(lambda: not runs(function))
    assert not is_serving(process)
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


def test_its_files_go_with_it(process: LocalAwsProcess, temporary: Path, tmp_path: Path) -> None:
    invoke_sleeper(process, tmp_path / "note", seconds=0)
    assert list(temporary.iterdir())
    process.__exit__(None, None, None)
    assert not list(temporary.iterdir())


def test_it_ends_with_whoever_uses_it(accounts_file: Path, tmp_path: Path) -> None:
    """Not even a kill, after which nobody stops it, lets it or its functions live on."""
    user = f"""
import pathlib, time
from local_aws.client import LocalAwsProcess
process = LocalAwsProcess(pathlib.Path({str(accounts_file)!r}), pathlib.Path({str(tmp_path / "log")!r}))
process.__enter__()
print(process.port, process._process.pid, flush=True)
time.sleep(3600)
"""
    with subprocess.Popen([sys.executable, "-c", user], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as using:  # noqa: S603 - ours
        assert using.stdout is not None
        port, server = (int(number) for number in using.stdout.readline().split())
        left = LocalAwsProcess(accounts_file, port=port)
        function = invoke_sleeper(left, tmp_path / "note", seconds=3600)
        using.kill()
    assert eventually(lambda: not runs(server))
    assert eventually(lambda: not runs(function))


def test_a_function_that_waits_for_events_ends_when_the_server_is_killed(process: LocalAwsProcess, tmp_path: Path) -> None:
    function = invoke_sleeper(process, tmp_path / "note", seconds=0)
    os.kill(process_id(process), signal.SIGKILL)
    assert eventually(lambda: not runs(function))


# Not starting


def test_a_port_in_use_is_named(accounts_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said, complained = run(serve(accounts_file, "--port", str(port)))
        expected = f"Port {port} of 127.0.0.1 is in use: choose another one with PORT=…."
        assert (code, said, complained) == (1, "", f"local-aws: {expected}\n")
        with pytest.raises(LocalAwsError, match=f"^{expected}$"), LocalAwsProcess(accounts_file, port=port):
            pass


def test_a_local_aws_that_runs_already_is_not_taken_for_the_own(lasting: LocalAwsProcess, accounts_file: Path) -> None:
    with pytest.raises(LocalAwsError, match="is in use"), LocalAwsProcess(accounts_file, port=lasting.port):
        pass
    assert lasting.accounts()


def test_a_socket_that_others_can_reach_is_refused(accounts_file: Path) -> None:
    with socket.create_server(("", 0)) as open_to_all:
        descriptor = open_to_all.fileno()
        code, said, complained = run(serve(accounts_file, "--socket", str(descriptor), pass_fds=[descriptor]))
    sentence = "The socket is not one of 127.0.0.1: nobody else may reach the local AWS."
    assert (code, said, complained) == (1, "", f"local-aws: {sentence}\n")


def test_a_bad_accounts_file_is_named(tmp_path: Path, free_port: int) -> None:
    file = tmp_path / "accounts.yaml"
    file.write_text("accounts: {}", encoding="utf-8")
    sentence = f"{file} has no accounts: it must have at least one, in the mapping 'accounts'."
    assert run(serve(file, "--port", str(free_port))) == (1, "", f"local-aws: {sentence}\n")
    with pytest.raises(LocalAwsError) as refusal, LocalAwsProcess(file, tmp_path / "log"):
        pass
    assert str(refusal.value) == f"The local AWS did not start. local-aws: {sentence}"


def test_an_accounts_file_that_is_not_there_is_named(tmp_path: Path, free_port: int) -> None:
    code, said, complained = run(serve(tmp_path / "none.yaml", "--port", str(free_port)))
    assert (code, said) == (1, "")
    assert complained == f"local-aws: [Errno 2] No such file or directory: '{tmp_path / 'none.yaml'}'\n"


MEND = "Run `make setup`: it installs requirements/local-aws.txt into an environment of its own."


@pytest.mark.parametrize(
    ("sabotage", "sentence"),
    [
        (
            "seams.MINISTACK_VERSION = '9.9.9'",
            f"The local AWS extends MiniStack 9.9.9, but 1.5.33 is installed. {MEND}",
        ),
        (
            "seams._SEAMS['ministack.app'] = ('app', 'gone'); seams._SEAMS['ministack.services.gone'] = ('too',)",
            f"The local AWS extends MiniStack 1.5.33, but 1.5.33 is installed; it lacks ministack.app.gone, "  # noqa: ISC004 - one sentence
            f"ministack.services.gone.too. {MEND}",
        ),
    ],
)
def test_another_ministack_is_refused_with_what_is_missing(
    accounts_file: Path, sabotage: str, sentence: str, free_port: int
) -> None:
    code = f"""
import sys
from local_aws import __main__
from local_aws.core import ministack_seams as seams
{sabotage}
sys.argv[1:] = ["serve", "--accounts", {str(accounts_file)!r}, "--port", "{free_port}"]
sys.exit(__main__.main())
"""
    arguments = [str(PYTHON), "-c", code]
    ran = subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - ours
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"local-aws: {sentence}\n")


def test_an_environment_without_ministack_is_refused(accounts_file: Path, free_port: int) -> None:
    arguments = [sys.executable, "-m", "local_aws", "serve", "--accounts", str(accounts_file), "--port", str(free_port)]
    ran = subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - ours
    sentence = f"The local AWS extends MiniStack 1.5.33, which is not installed in {sys.prefix}. {MEND}"
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"local-aws: {sentence}\n")


def test_an_environment_that_was_not_set_up_is_named(monkeypatch: pytest.MonkeyPatch, accounts_file: Path) -> None:
    monkeypatch.setattr("local_aws.client.PYTHON", Path("/nowhere/bin/python"))
    with pytest.raises(LocalAwsError, match=r"^/nowhere/bin/python is missing: run `make setup` first\.$"):
        LocalAwsProcess(accounts_file).__enter__()
