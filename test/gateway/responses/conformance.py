"""Runs the Open Responses tests of llm-comply against a gateway, one line of JSON in and one out."""

import json
import pathlib
import sys

import llm_comply
from llm_comply.config import ComplianceConfig
from llm_comply.runner import TestRunner
from llm_comply.schema import SpecLoader
from llm_comply.tests import get_tests

spec = pathlib.Path(llm_comply.__file__).parent / "specs" / "openresponses.json"


def run(connection: dict) -> list:
    config = ComplianceConfig(**connection)
    suite = TestRunner(config, get_tests("open-responses"), SpecLoader(str(spec))).run_all()
    return [{"id": each.id, "status": each.status.value, "errors": each.errors} for each in suite.results]


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
