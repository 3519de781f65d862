"""Each hook runs exactly as often as `wire.md` section 17 says, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aster import CallContext, RpcError, StatusCode
from aster.interceptors import DeadlineInterceptor, Interceptor, RetryInterceptor
from aster.interceptors._chain import Chain
from aster.status import NotFoundError, UnavailableError
from support import asynchronous, raised


def context(pattern="unary", **more):
    return CallContext("S", "m", "id", pattern=pattern, **more)


class Trace(Interceptor):
    """Writes down every hook, and does what it is told in them."""

    def __init__(self, tag, log, **acts):
        self.tag, self.log, self.acts = tag, log, acts

    def act(self, hook, given):
        self.log.append(f"{self.tag}.{hook}")
        act = self.acts.get(hook)
        if isinstance(act, BaseException):
            raise act
        return given if act is None else act(given)

    async def on_start(self, ctx):
        self.act("start", None)

    async def on_request(self, ctx, request):
        return self.act("request", request)

    async def on_response(self, ctx, response):
        return self.act("response", response)

    async def on_error(self, ctx, error):
        return self.act("error", error)


class OnlyRequest(Interceptor):
    def __init__(self, log, tag="r"):
        self.log, self.tag = log, tag

    async def on_request(self, ctx, request):
        self.log.append((self.tag, request))
        return request


class OnlyError(Interceptor):
    def __init__(self, answer):
        self.seen, self.answer = [], answer

    async def on_error(self, ctx, error):
        self.seen.append(error)
        return self.answer(error)


def test_no_interceptors_make_no_chain():
    assert Chain.of([]) is None


@asynchronous
async def test_hooks_nobody_overrides_are_not_run():
    chain = Chain.of([Interceptor(), DeadlineInterceptor()])
    assert (chain.has_start, chain.has_request, chain.has_response) == (True, True, False)
    plain = Chain.of([Interceptor()])
    assert (plain.has_start, plain.has_request, plain.has_response) == (False, False, False)
    assert await plain.error(context(), NotFoundError("x")) is not None


@asynchronous
async def test_list_order_and_replaced_messages():
    log = []
    chain = Chain.of(
        [
            Trace("a", log, request=lambda r: r + "a", response=lambda r: r + "A"),
            Trace("b", log, request=lambda r: r + "b", response=lambda r: r + "B"),
        ]
    )
    ctx = context()
    await chain.start(ctx)
    assert await chain.request(ctx, "-") == "-ab"
    assert await chain.response(ctx, "-") == "-AB"
    assert log == ["a.start", "b.start", "a.request", "b.request", "a.response", "b.response"]


@asynchronous
async def test_errors_go_backwards_once_and_may_be_replaced():
    log = []
    chain = Chain.of(
        [
            Trace("a", log, error=lambda e: RpcError(StatusCode.NOT_FOUND, e.message + "a", {"k": "v"})),
            Trace("b", log, error=lambda e: RpcError(StatusCode.ABORTED, e.message + "b")),
        ]
    )
    ctx = context()
    await chain.start(ctx)
    await chain.request(ctx, 1)
    stands = await chain.error(ctx, UnavailableError("x"))
    assert type(stands) is NotFoundError
    assert (stands.message, stands.details) == ("xba", {"k": "v"})
    again = UnavailableError("later")
    assert await chain.error(ctx, again) is again
    assert log == ["a.start", "b.start", "a.request", "b.request", "b.error", "a.error"]


@pytest.mark.parametrize("pattern", ["unary", "client_stream", "server_stream", "bidi_stream"])
@asynchronous
async def test_an_error_is_swallowed_where_a_call_can_end_without_response(pattern):
    outer, inner = OnlyError(lambda error: error), OnlyError(lambda error: None)
    chain = Chain.of([outer, inner])
    error = NotFoundError("x")
    stands = await chain.error(context(pattern), error)
    swallowed = pattern in {"server_stream", "bidi_stream"}
    assert stands is (None if swallowed else error)
    assert inner.seen == [error]
    assert outer.seen == ([] if swallowed else [error])


@asynchronous
async def test_who_refuses_hears_of_it_and_those_behind_do_not():
    begun = "a.start b.start c.start a.request b.request"
    undone = "c.error b.error a.error"
    for hook, expected in (
        ("start", "a.start b.start b.error a.error"),
        # c has started, so it must hear how the call ended.
        ("request", f"{begun} {undone}"),
        ("response", f"{begun} c.request a.response b.response {undone}"),
    ):
        log = []
        refusal = NotFoundError("no")
        chain = Chain.of([Trace("a", log), Trace("b", log, **{hook: refusal}), Trace("c", log)])
        ctx = context()

        async def run(chain=chain, ctx=ctx):
            await chain.start(ctx)
            await chain.request(ctx, 1)
            await chain.response(ctx, 1)

        assert await raised(run()) is refusal
        assert await chain.error(ctx, refusal) is refusal
        assert " ".join(log) == expected


@asynchronous
async def test_those_behind_a_refusal_without_start_hear_nothing():
    log = []

    class Behind(OnlyRequest):
        async def on_error(self, ctx, error):
            self.log.append("error")
            return error

    refusal = NotFoundError("no")
    chain = Chain.of([Trace("a", log, request=refusal), Behind(log)])
    ctx = context()
    await chain.start(ctx)
    assert await raised(chain.request(ctx, 1)) is refusal
    await chain.error(ctx, refusal)
    assert log == ["a.start", "a.request", "a.error"]


@asynchronous
async def test_a_later_item_that_is_refused_concerns_all_that_saw_the_first():
    log = []

    class Behind(OnlyRequest):
        async def on_error(self, ctx, error):
            self.log.append("error")
            return error

    refusal = NotFoundError("no")

    def second(item):
        if item == 2:
            raise refusal
        return item

    chain = Chain.of([Trace("a", log, request=second), Behind(log)])
    ctx = context("client_stream")
    await chain.start(ctx)
    await chain.request(ctx, 1)
    assert await raised(chain.request(ctx, 2)) is refusal
    await chain.error(ctx, refusal)
    assert log == ["a.start", "a.request", ("r", 1), "a.request", "error", "a.error"]


@asynchronous
async def test_a_message_that_gets_lost_names_who_lost_it():
    class Forgets(Interceptor):
        async def on_request(self, ctx, request):
            pass

        async def on_response(self, ctx, response):
            pass

    chain = Chain.of([Forgets()])
    for run, hook in ((chain.request, "on_request"), (chain.response, "on_response")):
        error = await raised(run(context(), 1))
        assert type(error) is TypeError
        assert f"Forgets.{hook} returned None; it must return the message that goes on" in str(error)


@asynchronous
async def test_a_failing_error_hook_is_logged_and_the_error_stands(caplog):
    caplog.set_level(logging.ERROR, "aster.interceptors")
    first = OnlyError(lambda error: error)

    def crash(error):
        raise ValueError("bug")

    def other(error):
        raise NotFoundError("in its place")

    error = UnavailableError("x")
    assert await Chain.of([first, OnlyError(crash)]).error(context(), error) is error
    assert first.seen == [error]
    assert "OnlyError.on_error failed" in caplog.text
    assert "bug" in caplog.text
    replaced = await Chain.of([OnlyError(other)]).error(context(), error)
    assert (replaced.code, replaced.message) == (StatusCode.NOT_FOUND, "in its place")
    assert await Chain.of([OnlyError(lambda error: "text")]).error(context(), error) is error
    assert "OnlyError.on_error returned str" in caplog.text


@asynchronous
async def test_a_cancelled_hook_counts_as_run():
    log = []
    chain = Chain.of([Trace("a", log, request=asyncio.CancelledError()), Trace("b", log)])
    ctx = context()
    with pytest.raises(asyncio.CancelledError):
        await chain.request(ctx, 1)
    await chain.error(ctx, RpcError(StatusCode.CANCELLED, "cancelled"))
    assert log == ["a.request", "b.error", "a.error"]


@asynchronous
async def test_a_call_ends_once():
    class Counts(Interceptor):
        def __init__(self):
            self.ends = []

        def _call_ended(self, ctx, error):
            self.ends.append(error)

    counts, error = Counts(), NotFoundError("x")
    chain = Chain.of([counts])
    good, bad, late = context(), context(), context()
    chain.finish(good)
    chain.finish(good)
    await chain.error(bad, error)
    chain.finish(bad)
    await chain.error(bad, error)
    chain.finish(late, error)
    await chain.error(late, error)
    assert counts.ends == [None, error, error]


def test_no_handler_starts_unexamined():
    log = []
    assert Chain.of([DeadlineInterceptor(), Trace("a", log)]).starts_at_once
    assert Chain.of([Interceptor(), OnlyError(str)]).starts_at_once
    assert not Chain.of([DeadlineInterceptor(), OnlyRequest(log)]).starts_at_once


@asynchronous
async def test_an_empty_input_is_examined_once_without_item():
    log = []
    chain = Chain.of([Trace("a", log), OnlyRequest(log)])
    ctx = context("client_stream")
    await chain.start(ctx)
    await chain.examine_empty(ctx)
    assert log == ["a.start", ("r", None)]

    class Refuses(Interceptor):
        async def on_request(self, ctx, request):
            raise NotFoundError("unexamined")

    assert (await raised(Chain.of([Refuses()]).examine_empty(context("bidi_stream")))).message == "unexamined"


def test_the_retry_interceptor_is_found():
    retry = RetryInterceptor()
    assert Chain.of([DeadlineInterceptor(), retry]).retry is retry
    assert Chain.of([DeadlineInterceptor()]).retry is None
