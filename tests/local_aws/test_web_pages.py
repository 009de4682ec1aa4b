"""Web pages: whatever a browser can be made to send to the local AWS changes nothing there, and programs get through."""

import base64
import http.client
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from local_aws.client import HOST, REGION, LocalAwsClient
from tests.browser import chromium, needs_chromium
from tests.local_aws.scene import NOBODYS, WRITE_LOG, Client, Clients, create_function, log_lines, package, refusal

RESIDENT = "resident"
CODE = """
    def handler(event, context):
        print("It ran.")
        cors = {"Access-Control-Allow-Origin": "*", "access-control-max-age": "9"}
        return {"statusCode": 200, "headers": cors, "body": "ran"}
"""

Headers = Sequence[tuple[str, str]]

FORM = ("Content-Type", "application/x-www-form-urlencoded")
TEXT = ("Content-Type", "text/plain")
JSON = ("Content-Type", "application/json")
CREATE_USER = "Action=CreateUser&Version=2010-05-08&UserName=mallory"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: str

    @property
    def said(self) -> str:
        """Return the sentence of a refusal: plain text for a browser, an SDK's protocol for a program."""
        content_type = dict(self.headers)["content-type"]
        if content_type == "text/xml":
            return str(next(ET.fromstring(self.body).iter("Message")).text)  # noqa: S314 - our own server's
        return str(json.loads(self.body)["message"]) if "json" in content_type else self.body.removesuffix("\n")

    @property
    def cors(self) -> list[str]:
        return [name for name, _ in self.headers if name.lower().startswith("access-control-")]


@dataclass(frozen=True)
class Request:
    """What is sent, with ACCOUNT and PORT for what each scene has of its own."""

    method: str
    target: str
    headers: Headers = ()
    body: str = ""
    hosts: Sequence[str] = ("127.0.0.1:PORT",)
    version: str = "HTTP/1.1"

    def also(self, *headers: tuple[str, str]) -> "Request":
        return replace(self, headers=[*self.headers, *headers])

    def to(self, *hosts: str) -> "Request":
        return replace(self, hosts=hosts)


def in_url(service: str) -> str:
    """Return credentials of an administrator as a presigned URL has them, with a signature that is none."""
    scope = quote(f"ACCOUNT/20260101/{REGION}/{service}/aws4_request", safe="")
    return (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800&"
        "X-Amz-SignedHeaders=host&X-Amz-Signature=0"
    )


def signed(service: str) -> tuple[str, str]:
    """Return the header of an administrator's signature, which the local AWS takes with any secret."""
    scope = f"ACCOUNT/20260101/{REGION}/{service}/aws4_request"
    return "Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


class Scene:
    """An account with a user and a function, and what a page could have changed there."""

    def __init__(self, local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
        self.local_aws, self.account_id = local_aws, account_id
        self._client = client
        self.client("iam").create_user(UserName=RESIDENT)
        create_function(client, account_id, RESIDENT, CODE, *WRITE_LOG)

    def client(self, service: str) -> Client:
        return self._client(service, self.account_id)

    def filled(self, text: str) -> str:
        return text.replace("ACCOUNT", self.account_id).replace("PORT", str(self.local_aws.port))

    def send(self, request: Request) -> Answer:
        """Send a request as it stands: nothing is added that a client would."""
        body = self.filled(request.body).encode()
        lines = [
            f"{request.method} {self.filled(request.target)} {request.version}",
            *(f"Host: {self.filled(host)}" for host in request.hosts),
            *(f"{name}: {self.filled(value)}" for name, value in request.headers),
            *([f"Content-Length: {len(body)}"] if body or request.method == "POST" else []),
        ]
        with socket.create_connection((HOST, self.local_aws.port), timeout=600) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            response = http.client.HTTPResponse(connection, method=request.method)
            response.begin()
            with response:
                body = b"" if response.status == http.client.SWITCHING_PROTOCOLS else response.read()
                return Answer(response.status, response.getheaders(), body.decode(errors="replace"))

    def state(self) -> Mapping[str, Any]:
        """Return what a signed request finds of that which pages are after."""
        return {
            "users": {user["UserName"] for user in self.client("iam").list_users()["Users"]},
            "nobody's users": {user["UserName"] for user in self._client("iam", NOBODYS).list_users()["Users"]},
            "root user": self.client("iam").get_account_summary()["SummaryMap"],
            "functions": {function["FunctionName"] for function in self.client("lambda").list_functions()["Functions"]},
            "log": log_lines(self._client, self.account_id, RESIDENT),
        }


@pytest.fixture(scope="module")
def scene(local_aws: LocalAwsClient, client: Clients, _unused_accounts: Iterator[str]) -> Scene:
    """Give a scene for the tests that are to change nothing."""
    return Scene(local_aws, client, next(_unused_accounts))


@pytest.fixture
def own_scene(local_aws: LocalAwsClient, client: Clients, account_id: str) -> Scene:
    """Give a scene for the test alone."""
    return Scene(local_aws, client, account_id)


def assert_refused(scene: Scene, *requests: Request, reason: str = "") -> None:
    """Make sure that each is refused with a sentence, and that nothing is other than it was before."""
    before = scene.state()
    answers = [(request, scene.send(request)) for request in requests]
    assert scene.state() == before
    for request, answer in answers:
        assert (answer.status, answer.cors) == (403, [])
        if request.method != "HEAD":
            assert answer.said.startswith("The local AWS answers programs and no web pages, and refuses this request because ")
            assert answer.said.endswith(f": use the AWS CLI or an SDK with the endpoint {scene.local_aws.endpoint_url}.")
            assert reason in answer.said


# What a page can let a browser send unasked, from a browser so old that it does not even say so

CREATE_FUNCTION = json.dumps(
    {
        "FunctionName": "mallory",
        "Role": f"arn:aws:iam::ACCOUNT:role/{RESIDENT}",
        "Runtime": "python3.13",
        "Handler": "example.handler",
        "Code": {"ZipFile": base64.b64encode(package(CODE)).decode()},
    }
)
FUNCTIONS = "/2015-03-31/functions"
FUNCTION_URL, API, SOCKET = (
    f"/_aws/{path}" for path in (f"lambda-url/{'0' * 32}/", "execute-api/01234567/live/", "execute-api/89abcdef/live")
)
"""Where MiniStack would serve functions and APIs to everybody."""
CHANGE_ROOT_USER = '{"account_id": "ACCOUNT", "change": "delete-password", "device": null}'
COMMAND = Request("POST", "/_local_aws/root-user", [JSON], CHANGE_ROOT_USER)
PROGRAM = Request("POST", "/", [FORM, signed("iam")], CREATE_USER)

IMG = Request("GET", f"/?{CREATE_USER}&{in_url('iam')}")
ALL_BROWSERS = {
    "image with a presigned URL": IMG,
    "image with a presigned URL in lower case": Request("GET", IMG.target.replace("X-Amz-Credential", "x-amz-credential")),
    "image with a presigned URL of version 2": Request("GET", f"/?{CREATE_USER}&AWSAccessKeyId=ACCOUNT&Signature=0"),
    "image without credentials": Request("GET", f"/?{CREATE_USER}"),
    "image with a user name": Request("GET", f"/?{CREATE_USER}", [("Authorization", "Basic bWFsbG9yeTo=")]),
    "image that calls a function's URL": Request("GET", FUNCTION_URL),
    "image that calls an API": Request("GET", f"{API}?{in_url('execute-api')}"),
    "form with credentials in its address": Request("POST", f"/?{in_url('iam')}", [FORM], CREATE_USER),
    "form with credentials in its body": Request("POST", "/", [FORM], f"{CREATE_USER}&{in_url('iam')}"),
    "form without credentials": Request("POST", "/", [FORM], CREATE_USER),
    "form with a user name": Request("POST", "/", [FORM, ("Authorization", "Basic bWFsbG9yeTo=")], CREATE_USER),
    "text that creates a function": Request("POST", f"{FUNCTIONS}?{in_url('lambda')}", [TEXT], CREATE_FUNCTION),
    "text that invokes a function": Request("POST", f"{FUNCTIONS}/{RESIDENT}/invocations?{in_url('lambda')}", [TEXT], "{}"),
    "text that resets MiniStack": Request("POST", "/_ministack/reset", [TEXT]),
    "text that is a command": Request("POST", "/_local_aws/root-user", [TEXT], CHANGE_ROOT_USER),
    "form that is a command": Request("POST", "/_local_aws/root-user", [FORM], CHANGE_ROOT_USER),
    "command without a type": Request("POST", "/_local_aws/root-user", [], CHANGE_ROOT_USER),
}


@pytest.mark.parametrize("request_", ALL_BROWSERS.values(), ids=ALL_BROWSERS)
def test_what_a_page_can_send_unasked_changes_nothing(scene: Scene, request_: Request) -> None:
    assert_refused(scene, request_)
    assert_refused(scene, request_.also(("Origin", "http://page.example"), ("Sec-Fetch-Site", "cross-site")), reason="browser")


def test_a_command_by_its_address_alone_changes_nothing(scene: Scene) -> None:
    scene.local_aws.add_fault(scene.account_id, "iam:GetUser", "AccessDenied")
    assert_refused(scene, Request("GET", "/_local_aws/clear-faults"), reason="it is a command")
    assert refusal(scene.client("iam").get_user, UserName=RESIDENT)[0] == "AccessDenied"
    scene.local_aws.clear_faults()


# What gives a page away, in requests that have all that a program's have


@pytest.mark.parametrize("request_", [PROGRAM, COMMAND], ids=["API", "command"])
@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT"])
def test_a_program_gets_through(own_scene: Scene, request_: Request, host: str) -> None:
    """The requests that follow differ from these in one thing, and are refused for that alone."""
    before = own_scene.state()
    assert own_scene.send(request_.to(host)).status == 200
    assert own_scene.state() != before


@pytest.mark.parametrize(
    "header",
    [
        ("Origin", "null"),
        ("Origin", "http://page.example"),
        ("Origin", "http://127.0.0.1:PORT"),
        ("oRIGIN", ""),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-origin"),
        ("SEC-FETCH-SITE", "same-site"),
        ("Sec-Fetch-Mode", "no-cors"),
        ("Sec-Fetch-Dest", "image"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Private-Network", "true"),
    ],
    ids=": ".join,
)
def test_a_header_of_a_browser_is_refused(scene: Scene, header: tuple[str, str]) -> None:
    reason = f"a web browser sent it, with the header {header[0].lower()}"
    assert_refused(scene, PROGRAM.also(header), COMMAND.also(header), reason=reason)


@pytest.mark.parametrize(
    "host",
    [
        "page.example:PORT",  # a name of a page's own, which it lets lead to 127.0.0.1
        "page.example",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "127.0.0.1:PORT0",
        "127.0.0.1:PORT.page.example",
        "page@127.0.0.1:PORT",
        "0.0.0.0:PORT",  # leads here too
        "[::1]:PORT",
        "127.0.0.2:PORT",
        "localhost.:PORT",
        "bucket.localhost:PORT",
        "iam.amazonaws.com",
        "",
    ],
)
def test_another_host_is_refused(scene: Scene, host: str) -> None:
    reason = scene.filled("its Host is not 127.0.0.1:PORT or localhost:PORT")
    assert_refused(scene, PROGRAM.to(host), COMMAND.to(host), reason=reason)


def test_no_host_is_refused(scene: Scene) -> None:
    old = [replace(request, hosts=(), version="HTTP/1.0") for request in (PROGRAM, COMMAND)]
    assert_refused(scene, *old, reason="its Host is not")


@pytest.mark.parametrize("hosts", [(), ("127.0.0.1:PORT", "page.example:PORT"), ("127.0.0.1:PORT", "127.0.0.1:PORT")])
def test_none_or_several_hosts_are_no_http(scene: Scene, hosts: Sequence[str]) -> None:
    before = scene.state()
    assert [scene.send(sent.to(*hosts)).status for sent in (PROGRAM, COMMAND)] == [400, 400]
    assert scene.state() == before


@pytest.mark.parametrize("target", ["http://127.0.0.1:PORT/", "http://page.example/_local_aws/root-user"])
def test_a_whole_address_as_target_is_refused(scene: Scene, target: str) -> None:
    requests = [replace(request, target=target) for request in (PROGRAM, COMMAND)]
    assert_refused(scene, *requests, reason="its target is not a path")


def test_credentials_in_the_url_are_refused_with_a_signature_too(scene: Scene) -> None:
    for name in ("X-Amz-Credential", "x-amz-signature", "AWSAccessKeyId", "%41WSAccessKeyId"):
        assert_refused(scene, replace(PROGRAM, target=f"/?{name}=ACCOUNT"), reason="its credentials are in its URL")


def test_a_presigned_url_is_refused(own_scene: Scene) -> None:
    """Of S3 too, whose presigned URLs MiniStack does verify: one rule for all, and nothing here needs one."""
    s3 = own_scene.client("s3")
    bucket = f"bucket-{own_scene.account_id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="key", Body=b"secret")
    url = urlsplit(s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key"}))
    assert_refused(own_scene, Request("GET", f"{url.path}?{url.query}"), reason="its credentials are in its URL")


@pytest.mark.parametrize("target", ["/", FUNCTIONS, "/_local_aws/root-user", FUNCTION_URL, API, "*"])
def test_a_preflight_allows_nothing(scene: Scene, target: str) -> None:
    asked = [("Origin", "http://page.example"), ("Access-Control-Request-Method", "POST")]
    asked.append(("Access-Control-Request-Headers", "authorization,content-type"))
    assert_refused(scene, Request("OPTIONS", target, asked))


def test_a_refusal_reaches_whoever_sends_much(scene: Scene) -> None:
    """An answer before the end of the request would be lost with the connection."""
    assert_refused(scene, Request("POST", "/", [*PROGRAM.headers, ("Origin", "null")], "x" * 2**24), reason="browser")


# WebSockets

HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
]


@pytest.mark.parametrize(
    "header", [("Origin", "http://page.example"), ("User-Agent", "a program"), signed("execute-api")], ids=": ".join
)
@pytest.mark.parametrize("target", [SOCKET, f"{SOCKET}?{in_url('execute-api')}", "/_local_aws/root-user", "/"])
def test_a_websocket_is_refused(scene: Scene, target: str, header: tuple[str, str]) -> None:
    assert_refused(scene, Request("GET", target, [*HANDSHAKE, header]))
    assert_refused(scene, Request("GET", target, [*HANDSHAKE, header], hosts=("page.example:PORT",)), reason="its Host")


# The Runtime API, on a port of its own

ASKS_RUNTIME_API = """
    import http.client, os

    def handler(event, context):
        api = os.environ["AWS_LAMBDA_RUNTIME_API"]
        statuses = []
        for headers in event["headers"]:
            for method, path in (("GET", "next"), ("POST", f"{context.aws_request_id}/response"), ("POST", "../init/error")):
                path = "/2018-06-01/runtime/" + (path[3:] if path.startswith("../") else "invocation/" + path)
                connection = http.client.HTTPConnection(api, timeout=600)
                connection.request(method, path, '"of a page"' if method == "POST" else None, headers)
                statuses.append(connection.getresponse().status)
                connection.close()
        return {"statuses": statuses}
"""


def test_a_page_takes_no_event_and_answers_for_no_function(client: Clients, account_id: str) -> None:
    """The function plays the page: it knows the port and the request's id, which a page would have to find."""
    create_function(client, account_id, "asks", ASKS_RUNTIME_API, *WRITE_LOG)
    headers = [
        {"Host": "page.example"},
        {"Origin": "http://page.example", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site"},
    ]
    answer = client("lambda", account_id).invoke(FunctionName="asks", Payload=json.dumps({"headers": headers}))
    assert json.loads(answer["Payload"].read()) == {"statuses": [403] * 9}


# What leaves


def test_no_answer_lets_another_origin_read_it(own_scene: Scene) -> None:
    s3 = own_scene.client("s3")
    bucket = f"bucket-{own_scene.account_id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="key", Body=b"secret")
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    origin = ("Origin", "http://page.example")
    statuses = {
        "IAM": (Request("POST", "/", [FORM, signed("iam")], "Action=ListUsers&Version=2010-05-08"), 200),
        "an unknown operation": (Request("POST", "/", [FORM, signed("iam")], "Action=Nothing&Version=2010-05-08"), 400),
        "a function": (Request("POST", f"{FUNCTIONS}/{RESIDENT}/invocations", [signed("lambda")], "{}"), 200),
        "a function that is not there": (Request("GET", f"{FUNCTIONS}/none", [signed("lambda")]), 404),
        "an object": (Request("GET", f"/{bucket}/key", [signed("s3")]), 200),
        "an object, asked for by a page": (Request("GET", f"/{bucket}/key", [signed("s3"), origin]), 403),
        "an object that is not there": (Request("GET", f"/{bucket}/none", [signed("s3")]), 404),
        "an object's head": (Request("HEAD", f"/{bucket}/key", [signed("s3")]), 200),
        "options of S3": (Request("OPTIONS", f"/{bucket}/key", [signed("s3")]), 400),
        "options of others": (Request("OPTIONS", "/", [signed("iam")]), 400),
        "MiniStack's health": (Request("GET", "/_ministack/health", [signed("iam")]), 400),
        "a command": (Request("POST", "/_local_aws/accounts", [JSON], "{}"), 200),
        "a command that is none": (Request("POST", "/_local_aws/none", [JSON], "{}"), 400),
        "a refusal": (Request("GET", "/"), 403),
    }
    answers = {name: own_scene.send(request) for name, (request, _) in statuses.items()}
    assert {name: answer.status for name, answer in answers.items()} == {name: status for name, (_, status) in statuses.items()}
    assert {name: answer.cors for name, answer in answers.items() if answer.cors} == {}
    assert "It ran." in "".join(own_scene.state()["log"])


# Programs

CALLS = {
    "iam": "list_users",
    "sts": "get_caller_identity",
    "s3": "list_buckets",
    "lambda": "list_functions",
    "config": "describe_config_rules",
    "logs": "describe_log_groups",
    "cloudformation": "list_stack_sets",
    "ssm": "list_documents",
    "events": "list_rules",
    "sns": "list_topics",
    "sqs": "list_queues",
    "cloudwatch": "list_metrics",
    "cloudtrail": "describe_trails",
    "resourcegroupstaggingapi": "get_resources",
}


@pytest.mark.parametrize(("service", "operation"), CALLS.items())
def test_an_sdk_gets_through(client: Clients, account_id: str, service: str, operation: str) -> None:
    answer = getattr(client(service, account_id), operation)()
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


# A real browser

REBOUND = "rebound.example"
"""A page's own name, which leads to 127.0.0.1 by now."""

FROM_ELSEWHERE = """
const [url, target, credentials, done] = arguments;
const settled = (element, attribute, address) => new Promise(resolve => {
  for (const event of ["load", "error"]) element.addEventListener(event, () => resolve(event));
  element[attribute] = address;
  document.body.append(element);
});
const text = body => ({method: "POST", mode: "no-cors", body});
const got = promise => promise.then(answer => answer.type, error => error.name);
const submitted = (address, fields) => {
  const frame = document.createElement("iframe");
  frame.name = address;
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: address, target: frame.name});
  for (const [name, value] of new URLSearchParams(fields)) {
    form.append(Object.assign(document.createElement("input"), {name, value}));
  }
  document.body.append(form);
  return new Promise(resolve => { frame.addEventListener("load", () => resolve("load")); form.submit(); });
};
const connected = address => new Promise(resolve => {
  const channel = new WebSocket(address.replace("http:", "ws:"));
  channel.onopen = () => resolve("open");
  channel.onerror = () => resolve("error");
});
const asks = {...text(target.command), mode: "cors", headers: {"Content-Type": "application/json"}};
(async () => done({
  text: await got(fetch(`${url}${target.functions}?${credentials.lambda}`, text(target.create))),
  image: await settled(new Image(), "src", `${url}/?${target.user}&${credentials.iam}`),
  script: await settled(document.createElement("script"), "src", `${url}/?${target.user}&${credentials.iam}`),
  form: await submitted(`${url}/?${credentials.iam}`, target.user),
  command: await got(fetch(`${url}/_local_aws/root-user`, text(target.command))),
  asked: await got(fetch(`${url}/_local_aws/root-user`, asks)),
  read: await got(fetch(`${url}/_ministack/health`)),
  reset: await got(fetch(`${url}/_ministack/reset`, text(""))),
  socket: await connected(`${url}${target.socket}`),
}))();
"""

FROM_ITS_OWN = """
const [target, authorization, done] = arguments;
const post = (address, headers, body) => fetch(address, {method: "POST", headers, body}).then(answer => answer.text());
(async () => done([
  await post("/", {Authorization: authorization, "Content-Type": "application/x-www-form-urlencoded"}, target.user),
  await post("/_local_aws/root-user", {"Content-Type": "application/json"}, target.command),
]))();
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    rules = f"MAP {REBOUND} {HOST},MAP * ~NOTFOUND,EXCLUDE {HOST}"
    with chromium(tmp_path_factory.mktemp("browser"), rules) as browser:
        yield browser


@pytest.fixture
def page() -> Iterator[str]:
    """Serve an empty page from another origin, another port of 127.0.0.1; give its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>page</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def targets(scene: Scene) -> dict[str, str]:
    named = {"functions": FUNCTIONS, "create": CREATE_FUNCTION, "user": CREATE_USER, "command": CHANGE_ROOT_USER}
    return {name: scene.filled(value) for name, value in {**named, "socket": SOCKET}.items()}


@needs_chromium
def test_a_page_in_a_real_browser_changes_nothing(scene: Scene, browser: webdriver.Chrome, page: str) -> None:
    before = scene.state()
    browser.get(page)
    credentials = {service: scene.filled(in_url(service)) for service in ("iam", "lambda")}
    outcomes = browser.execute_async_script(FROM_ELSEWHERE, scene.local_aws.endpoint_url, targets(scene), credentials)
    assert scene.state() == before
    # An opaque answer came, and the page may not read it: what was sent unasked has reached the server.
    assert outcomes == {
        "text": "opaque",
        "image": "error",
        "script": "error",
        "form": "load",
        "command": "opaque",
        "asked": "TypeError",
        "read": "TypeError",
        "reset": "opaque",
        "socket": "error",
    }


@needs_chromium
def test_a_page_whose_name_leads_here_changes_nothing(scene: Scene, browser: webdriver.Chrome) -> None:
    """DNS rebinding: to the browser the server is the page's own origin, so that it may set and read everything."""
    before = scene.state()
    browser.get(f"http://{REBOUND}:{scene.local_aws.port}/")
    reason = scene.filled("because its Host is not 127.0.0.1:PORT or localhost:PORT: ")
    assert reason in browser.find_element(By.TAG_NAME, "body").text
    answers = browser.execute_async_script(FROM_ITS_OWN, targets(scene), scene.filled(signed("iam")[1]))
    assert [reason in answer for answer in answers] == [True, True]
    assert scene.state() == before


@needs_chromium
def test_the_servers_address_in_a_browser_says_what_to_do(local_aws: LocalAwsClient, browser: webdriver.Chrome) -> None:
    browser.get(local_aws.endpoint_url)
    assert "use the AWS CLI or an SDK" in browser.find_element(By.TAG_NAME, "body").text
