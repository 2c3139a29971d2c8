"""A backend service that knows OpenAI's client and nothing of Bellwether, whole.

    npx bellwether up                      # in one terminal: it prints the address and the key
    pip install openai
    export OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=bw_…
    python examples/openai_client.py       # in another
"""

import sys
import uuid

from openai import APIStatusError, OpenAI

client = OpenAI()  # OPENAI_BASE_URL, OPENAI_API_KEY
session = f"example-{uuid.uuid4()}"


def answer(request_id: str, content: str):
    """Answers one message of a customer. The service remembers the conversation, so only what is new is sent.

    A repeated request, by its id, gets the same answer, paid once.
    """
    try:
        return client.chat.completions.create(
            model="bellwether",
            messages=[{"role": "user", "content": content}],
            user="customer-12345",
            extra_headers={"X-Bellwether-Session": session, "Idempotency-Key": request_id},
        )
    except APIStatusError as error:
        # `error.code` says what it was; some errors bring a text that can be shown to the customer.
        print(f"no answer: {error.status_code} {error.code}, {error.request_id}", file=sys.stderr)
        raise


first = answer(f"{session}-1", "How do I track my order #ORD-789456?")
print(first.choices[0].message.content)

# A request that arrives twice, say after a lost connection, is one turn.
again = answer(f"{session}-1", "How do I track my order #ORD-789456?")
print(f"same answer again: {again.id == first.id}")

# Streamed: the text as the model writes it.
stream = client.chat.completions.create(
    model="bellwether",
    messages=[{"role": "user", "content": "可以改送货地址吗？"}],
    stream=True,
    stream_options={"include_usage": True},
    extra_headers={"X-Bellwether-Session": session},
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    if chunk.usage:
        print(f"\n{chunk.usage.prompt_tokens} + {chunk.usage.completion_tokens} tokens")

try:
    client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hello"}])
except APIStatusError as error:
    print(f"{error.status_code} {error.code}")
