"""Tries what the tests ask with clients in Python: one line of JSON in, one out.

Each client reads OPENAI_BASE_URL (LlamaIndex: OPENAI_API_BASE) and OPENAI_API_KEY, and gets nothing else but the name of a model.
"""

import asyncio
import importlib.metadata
import json
import sys

QUESTION = "Where is my order?"
ASK_FOR_ORDER = 'call find_order {"number":"ORD-7"}'
TOOL_RESULT = "ORD-7 is on its way."
UNKNOWN_MODEL = "gpt-4o"
MODEL = "gpt-4.1-mini"
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
PARAMETERS = {
    "type": "object",
    "properties": {"number": {"type": "string"}},
    "required": ["number"],
    "additionalProperties": False,
}


def find_order(number: str) -> str:
    """Where an order is."""
    return TOOL_RESULT


def error_of(error: Exception) -> dict:
    """The first error with a status, of those that led to this one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(getattr(cause, "status_code", None), int):
        cause = cause.__cause__
    if cause is None:
        raise error
    return {"status": cause.status_code, "message": str(cause)}


class OpenAI:
    package = "openai"

    def __init__(self) -> None:
        import openai

        self.client = openai.OpenAI()


class OpenAIChat(OpenAI):
    def create(self, model: str = MODEL, content: str = QUESTION, **options):
        return self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": content}], **options
        )

    def plain(self) -> str:
        return self.create().choices[0].message.content

    def streamed(self) -> list[str]:
        deltas = [chunk.choices[0].delta.content for chunk in self.create(stream=True) if chunk.choices]
        return [delta for delta in deltas if delta]

    def tools(self) -> str:
        tools = [{"type": "function", "function": {"name": "find_order", "parameters": PARAMETERS}}]
        message = self.create(content=ASK_FOR_ORDER, tools=tools).choices[0].message
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": find_order("ORD-7")} for call in message.tool_calls
        ]
        messages = [{"role": "user", "content": ASK_FOR_ORDER}, message, *results]
        answer = self.client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
        return answer.choices[0].message.content

    def structured(self) -> dict:
        import pydantic

        answer = pydantic.create_model("answer", answer=(str, ...))
        parsed = self.client.chat.completions.parse(
            model=MODEL, messages=[{"role": "user", "content": QUESTION}], response_format=answer
        )
        return parsed.choices[0].message.parsed.model_dump()

    def error(self) -> None:
        self.create(model=UNKNOWN_MODEL)

    def reasoning(self) -> str:
        return self.create().choices[0].message.reasoning_content


class OpenAIResponses(OpenAI):
    def create(self, model: str = MODEL, content: object = QUESTION, **options):
        return self.client.responses.create(model=model, input=content, **options)

    def plain(self) -> str:
        return self.create().output_text

    def streamed(self) -> list[str]:
        return [event.delta for event in self.create(stream=True) if event.type == "response.output_text.delta"]

    def tools(self) -> str:
        tools = [{"type": "function", "name": "find_order", "parameters": PARAMETERS, "strict": True}]
        first = self.create(content=ASK_FOR_ORDER, tools=tools)
        results = [
            {"type": "function_call_output", "call_id": item.call_id, "output": find_order("ORD-7")}
            for item in first.output
            if item.type == "function_call"
        ]
        return self.create(content=results, tools=tools, previous_response_id=first.id).output_text

    def structured(self) -> dict:
        import pydantic

        answer = pydantic.create_model("answer", answer=(str, ...))
        return self.client.responses.parse(model=MODEL, input=QUESTION, text_format=answer).output_parsed.model_dump()

    def error(self) -> None:
        self.create(model=UNKNOWN_MODEL)

    def reasoning(self) -> str:
        items = [item for item in self.create().output if item.type == "reasoning"]
        return "".join(part.text for item in items for part in item.summary)


class Agents:
    package = "openai-agents"

    def __init__(self) -> None:
        import agents

        agents.set_tracing_disabled(True)
        agents.set_default_openai_api(self.api)
        self.agents = agents

    def agent(self, **options):
        return self.agents.Agent(name="Clerk", instructions="Help with orders.", **{"model": MODEL, **options})

    def clerk(self):
        return self.agent(tools=[self.agents.function_tool(find_order)])

    def plain(self) -> str:
        return self.agents.Runner.run_sync(self.clerk(), QUESTION).final_output

    def streamed(self) -> list[str]:
        async def read() -> list[str]:
            events = self.agents.Runner.run_streamed(self.clerk(), QUESTION).stream_events()
            raw = [event.data async for event in events if event.type == "raw_response_event"]
            return [data.delta for data in raw if data.type == "response.output_text.delta"]

        # The loop that run_sync uses, to which the client's connections are bound.
        return asyncio.get_event_loop().run_until_complete(read())

    def tools(self) -> str:
        return self.agents.Runner.run_sync(self.clerk(), ASK_FOR_ORDER).final_output

    def structured(self) -> dict:
        import pydantic

        answer = pydantic.create_model("answer", answer=(str, ...))
        return self.agents.Runner.run_sync(self.agent(output_type=answer), QUESTION).final_output.model_dump()

    def error(self) -> None:
        self.agents.Runner.run_sync(self.agent(model=UNKNOWN_MODEL), QUESTION)

    def reasoning(self) -> str:
        run = self.agents.Runner.run_sync(self.clerk(), QUESTION)
        items = [item for response in run.raw_responses for item in response.output if item.type == "reasoning"]
        return "".join(part.text for item in items for part in item.summary)


class AgentsChat(Agents):
    api = "chat_completions"


class AgentsResponses(Agents):
    api = "responses"


class PydanticAI:
    package = "pydantic-ai-slim"

    def agent(self, model: str = MODEL, **options):
        import pydantic_ai

        return pydantic_ai.Agent(f"{self.prefix}:{model}", **options)

    def plain(self) -> str:
        return self.agent().run_sync(QUESTION).output

    def streamed(self) -> list[str]:
        async def read() -> list[str]:
            async with self.agent().run_stream(QUESTION) as stream:
                return [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]

        return asyncio.run(read())

    def tools(self) -> str:
        return self.agent(tools=[find_order]).run_sync(ASK_FOR_ORDER).output

    def structured(self) -> dict:
        import pydantic
        import pydantic_ai

        answer = pydantic.create_model("answer", answer=(str, ...))
        return self.agent(output_type=pydantic_ai.NativeOutput(answer)).run_sync(QUESTION).output.model_dump()

    def error(self) -> None:
        self.agent(UNKNOWN_MODEL).run_sync(QUESTION)

    def reasoning(self) -> str:
        return self.agent().run_sync(QUESTION).response.thinking


class PydanticAIChat(PydanticAI):
    prefix = "openai-chat"


class PydanticAIResponses(PydanticAI):
    prefix = "openai"


class LangChain:
    package = "langchain-openai"

    def chat(self, model: str = MODEL):
        import langchain_openai

        return langchain_openai.ChatOpenAI(model=model, use_responses_api=self.use_responses_api)

    def plain(self) -> str:
        return self.chat().invoke(QUESTION).text

    def streamed(self) -> list[str]:
        return [chunk.text for chunk in self.chat().stream(QUESTION) if chunk.text]

    def tools(self) -> str:
        from langchain_core.messages import HumanMessage, ToolMessage

        clerk = self.chat().bind_tools([find_order])
        asked = HumanMessage(ASK_FOR_ORDER)
        answer = clerk.invoke([asked])
        results = [ToolMessage(find_order(**call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
        return clerk.invoke([asked, answer, *results]).text

    def structured(self) -> dict:
        return self.chat().with_structured_output({"title": "answer", **SCHEMA}, method="json_schema").invoke(QUESTION)

    def error(self) -> None:
        self.chat(UNKNOWN_MODEL).invoke(QUESTION)

    def reasoning(self) -> str:
        blocks = self.chat().invoke(QUESTION).content_blocks
        return "".join(block["reasoning"] for block in blocks if block["type"] == "reasoning")


class LangChainChat(LangChain):
    use_responses_api = False


class LangChainResponses(LangChain):
    use_responses_api = True


class LlamaIndex:
    package = "llama-index-llms-openai"

    def plain(self) -> str:
        return self.llm().complete(QUESTION).text

    def streamed(self) -> list[str]:
        return [part.delta for part in self.llm().stream_complete(QUESTION) if part.delta]

    def tools(self) -> str:
        from llama_index.core.llms import ChatMessage
        from llama_index.core.tools import FunctionTool

        llm = self.llm()
        tools = [FunctionTool.from_defaults(find_order)]
        asked = ChatMessage(role="user", content=ASK_FOR_ORDER)
        answer = llm.chat_with_tools(tools, chat_history=[asked])
        results = [
            ChatMessage(
                role="tool",
                content=find_order(**call.tool_kwargs),
                additional_kwargs={self.call_id_field: call.tool_id},
            )
            for call in llm.get_tool_calls_from_response(answer)
        ]
        return llm.chat([asked, answer.message, *results]).message.content

    def structured(self) -> dict:
        import pydantic

        answer = pydantic.create_model("answer", answer=(str, ...))
        return self.llm().as_structured_llm(answer).complete(QUESTION).raw.model_dump()

    def error(self) -> None:
        self.llm(UNKNOWN_MODEL).complete(QUESTION)


class LlamaIndexChat(LlamaIndex):
    call_id_field = "tool_call_id"

    def llm(self, model: str = MODEL):
        from llama_index.llms.openai import OpenAI

        return OpenAI(model=model)

    def error(self) -> None:
        from llama_index.core.llms import ChatMessage

        self.llm(UNKNOWN_MODEL).chat([ChatMessage(role="user", content=QUESTION)])


class LlamaIndexResponses(LlamaIndex):
    call_id_field = "call_id"

    def llm(self, model: str = MODEL):
        from llama_index.llms.openai import OpenAIResponses

        return OpenAIResponses(model=model)

    def reasoning(self) -> str:
        from llama_index.core.llms import ChatMessage

        blocks = self.llm().chat([ChatMessage(role="user", content=QUESTION)]).message.blocks
        return "".join(block.content for block in blocks if block.block_type == "thinking")


CLIENTS = {
    f"{client.package} {api}": client
    for api, clients in {
        "Chat completions": (OpenAIChat, AgentsChat, PydanticAIChat, LangChainChat, LlamaIndexChat),
        "Responses": (OpenAIResponses, AgentsResponses, PydanticAIResponses, LangChainResponses, LlamaIndexResponses),
    }.items()
    for client in clients
}


def perform(order: dict) -> dict:
    if order["feature"] == "version":
        return {"result": importlib.metadata.version(order["client"])}
    try:
        return {"result": getattr(CLIENTS[order["client"]](), order["feature"])()}
    except Exception as error:
        return {"result": error_of(error)}


for line in sys.stdin:
    try:
        outcome = perform(json.loads(line))
    except Exception as error:
        outcome = {"failed": repr(error)}
    print(json.dumps(outcome), flush=True)
