"""Does what the test asks of OpenAI's Python client, one line of JSON in and one out."""

import json
import sys

import openai

statuses: list[int] = []
"""Of every answer that came for the request at hand, repeated ones included."""


def connect(options: dict) -> openai.OpenAI:
    hooks = {"response": [lambda response: statuses.append(response.status_code)]}
    return openai.OpenAI(http_client=openai.DefaultHttpxClient(event_hooks=hooks), **options)


def plain(client: openai.OpenAI, arguments: dict) -> dict:
    answer = client.chat.completions.create(**arguments)
    return answer.model_dump()


def chunks(client: openai.OpenAI, arguments: dict) -> list:
    stream = client.chat.completions.create(**arguments, stream=True)
    return [chunk.model_dump() for chunk in stream]


def put_together(client: openai.OpenAI, arguments: dict) -> dict:
    """By the helper that accumulates deltas."""
    with client.chat.completions.stream(**arguments) as stream:
        kinds = [event.type for event in stream]
        return {"kinds": kinds, "completion": stream.get_final_completion().model_dump()}


def break_off(client: openai.OpenAI, arguments: dict) -> str:
    with client.chat.completions.create(**arguments, stream=True) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                return chunk.choices[0].delta.content
    return ""


def models(client: openai.OpenAI, _arguments: dict) -> list:
    return [model.id for model in client.models.list()]


tasks = {task.__name__: task for task in (plain, chunks, put_together, break_off, models)}


def perform(order: dict) -> dict:
    statuses.clear()
    try:
        with connect(order["options"]) as client:
            return {"result": tasks[order["task"]](client, order["arguments"])}
    except openai.APIError as error:
        return {
            "error": {
                "class": type(error).__name__,
                "status": getattr(error, "status_code", None),
                "message": error.message,
                "type": error.type,
                "param": error.param,
                "code": error.code,
                "request_id": getattr(error, "request_id", None),
            }
        }


for line in sys.stdin:
    outcome = perform(json.loads(line))
    print(json.dumps({**outcome, "statuses": statuses}), flush=True)
