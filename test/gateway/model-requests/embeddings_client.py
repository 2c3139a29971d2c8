"""Asks for embeddings with OpenAI's client, for each line of JSON."""

import json
import sys

from openai import OpenAI

for line in sys.stdin:
    order = json.loads(line)
    client = OpenAI(**order["connection"], max_retries=0)
    answer = client.embeddings.create(model=order["model"], input=order["input"])
    print(json.dumps([each.embedding for each in answer.data]), flush=True)
