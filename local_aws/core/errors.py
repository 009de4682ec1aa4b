"""Write an error as each protocol of AWS has it, so that an SDK reads its code and message.

Sources: https://smithy.io/2.0/aws/protocols/ (the errors of AWS JSON, restJson1, restXml, query and EC2 query),
https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html, and
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: S3's error is the root element.
"""

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

Answer = tuple[int, dict[str, Any], bytes]
"""HTTP status, headers, body."""

S3 = "s3"
"""The protocol rest-xml, with the errors of S3."""


_CREDENTIALS = "The security token included in the request is invalid."
_SIGNATURE = "The request signature does not conform to AWS standards."

Codes = Mapping[str, tuple[int, str, str]]
"""The HTTP status, code and message of one kind of error in each protocol; a message may have {0}."""

NOT_EMULATED: Codes = {
    **dict.fromkeys(("json", "rest-json", "smithy-rpc-v2-cbor"), (400, "UnknownOperationException", "{0}")),
    **dict.fromkeys(("query", "ec2", "rest-xml"), (400, "InvalidAction", "{0}")),
    S3: (400, "NotImplemented", "{0}"),  # S3 has 501 for it, and some SDKs try again after what is no 4xx
}
UNKNOWN_CREDENTIALS: Codes = {
    **dict.fromkeys(("json", "smithy-rpc-v2-cbor"), (400, "UnrecognizedClientException", _CREDENTIALS)),
    "rest-json": (403, "UnrecognizedClientException", _CREDENTIALS),
    **dict.fromkeys(("query", "rest-xml"), (403, "InvalidClientTokenId", _CREDENTIALS)),
    "ec2": (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
    S3: (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
}
INCOMPLETE_SIGNATURE: Codes = {
    **dict.fromkeys(("json", "rest-json", "smithy-rpc-v2-cbor"), (400, "IncompleteSignatureException", _SIGNATURE)),
    **dict.fromkeys(("query", "ec2", "rest-xml"), (400, "IncompleteSignature", _SIGNATURE)),
    S3: (400, "AuthorizationHeaderMalformed", "The authorization header is malformed."),
}
ACCESS_DENIED: Codes = {
    **dict.fromkeys(("json", "rest-json", "smithy-rpc-v2-cbor"), (403, "AccessDeniedException", "{0}")),
    **dict.fromkeys(("query", "rest-xml", S3), (403, "AccessDenied", "{0}")),
    "ec2": (403, "UnauthorizedOperation", "{0}"),
}


def refuse(codes: Codes, protocol: str, message: str = "", content_type: str = "") -> Answer:
    """Write an error of one of these kinds, with `message` for {0}: see `write`."""
    status, code, said = codes[protocol]
    return write(protocol, status, code, said.format(message), content_type=content_type)


def write(protocol: str, status: int, code: str, message: str, *, content_type: str = "") -> Answer:
    """Write an error in a protocol, by botocore's name of it, or `S3`. In AWS JSON, `content_type` is the request's."""
    match protocol:
        case "json" | "rest-json":
            return _json(status, code, message, content_type if protocol == "json" else "application/json")
        case "query" | "rest-xml":
            return _query(status, code, message)
        case "ec2":
            root = Element("Response")
            return _xml(
                status, root, SubElement(SubElement(root, "Errors"), "Error"), {"Code": code, "Message": message}, "RequestID"
            )
        case "s3":
            root = Element("Error")
            return _xml(status, root, root, {"Code": code, "Message": message})
        case "smithy-rpc-v2-cbor":
            headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "x-amzn-RequestId": _request_id()}
            return status, headers, b"\xa2" + b"".join(_cbor(text) for text in ("__type", code, "message", message))
    unknown = f"{protocol} is no protocol of AWS."
    raise ValueError(unknown)


def _json(status: int, code: str, message: str, content_type: str) -> Answer:
    """Write an error of AWS JSON or restJson1."""
    headers = {"Content-Type": content_type, "x-amzn-RequestId": _request_id(), "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"__type": code, "message": message}).encode()


def _query(status: int, code: str, message: str) -> Answer:
    """Write an error of the query protocol. restXml has the same form."""
    root = Element("ErrorResponse")
    sender = "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
    return _xml(status, root, SubElement(root, "Error"), {"Type": sender, "Code": code, "Message": message})


def _xml(status: int, root: Element, error: Element, texts: Mapping[str, str], request_id: str = "RequestId") -> Answer:
    for name, text in texts.items():
        SubElement(error, name).text = text
    SubElement(root, request_id).text = made = _request_id()
    return status, {"Content-Type": "text/xml", "x-amzn-RequestId": made}, tostring(root, encoding="utf-8")


def _cbor(text: str) -> bytes:
    """Encode a text string with a length of two bytes (RFC 8949, section 3.1)."""
    encoded = text.encode()
    return b"\x79" + len(encoded).to_bytes(2) + encoded


def _request_id() -> str:
    return str(uuid.uuid4())
