"""Reads which accounts' data reach an aggregator."""

from typing import TYPE_CHECKING

from organization.statuses import Source

if TYPE_CHECKING:
    from mypy_boto3_config import ConfigServiceClient


def sources_of(config: "ConfigServiceClient", name: str, region: str) -> dict[str, Source]:
    """Tell whether each account's data of a Region reach an aggregator, by account id; raises ClientError without one.

    Source: API model, config, AggregatedSourceStatus.
    """
    pages = config.get_paginator("describe_configuration_aggregator_sources_status").paginate(ConfigurationAggregatorName=name)
    return {
        each["SourceId"]: Source(each["LastUpdateStatus"] == "SUCCEEDED", each.get("LastErrorMessage", ""))
        for page in pages
        for each in page["AggregatedSourceStatusList"]
        if each.get("AwsRegion", region) == region
    }
