"""The built-in interceptors (`python-api.md` section 7), with clocks of our own."""

from __future__ import annotations

import inspect
import json
import logging
import sys
import types

import pytest

from aster import CallContext, RpcError, RpcPattern, StatusCode, all_of, any_of, rpc, service
from aster.interceptors import (
    AuditLogInterceptor,
    AuthInterceptor,
    CapabilityInterceptor,
    CircuitBreakerInterceptor,
    CompressionInterceptor,
    DeadlineInterceptor,
    ExponentialBackoff,
    Interceptor,
    MetricsInterceptor,
    RateLimitInterceptor,
    RetryInterceptor,
    RetryPolicy,
)
from aster.interceptors._chain import Chain
from aster.interceptors.retry import retrying
from aster.status import (
    CancelledError,
    DeadlineExceededError,
    InternalError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    UnknownRpcError,
)
from support import Num, Text, asynchronous, raised

PATTERNS = [pattern.value for pattern in RpcPattern]


def context(pattern="unary", **more):
    return CallContext("S", "m", "id", pattern=pattern, **more)


class Clock:
    def __init__(self, monkeypatch, *modules):
        self.now = 1_000_000.0
        for module, name in modules:
            monkeypatch.setattr(f"aster.interceptors.{module}.{name}", lambda: self.now)


async def call(chain, ctx, error=None, items=1):
    """Run a call through a chain as servers and clients do; return the error it ends with."""
    try:
        await chain.start(ctx)
        for item in range(items if ctx.pattern in {"client_stream", "bidi_stream"} else 1):
            await chain.request(ctx, item)
        for item in range(items if ctx.pattern in {"server_stream", "bidi_stream"} else 1):
            if error is None:
                await chain.response(ctx, item)
        if error is not None:
            raise error
    except RpcError as failure:
        return await chain.error(ctx, failure)
    chain.finish(ctx)
    return None


def test_signatures():
    assert {cls.__name__: str(inspect.signature(cls)).partition(" ->")[0] for cls in (
        DeadlineInterceptor, MetricsInterceptor, CircuitBreakerInterceptor, CompressionInterceptor,
    )} == {
        "DeadlineInterceptor": "(skew_tolerance_ms: 'int' = 5000)",
        "MetricsInterceptor": "()",
        "CircuitBreakerInterceptor":
            "(*, failure_threshold: 'int' = 3, recovery_timeout: 'float' = 5.0, half_open_max_calls: 'int' = 1)",
        "CompressionInterceptor": "(threshold: 'int' = 4096, enabled: 'bool' = True)",
    }  # fmt: skip
    names = {
        AuthInterceptor: ["token_provider", "validator", "metadata_key", "scheme"],
        RetryInterceptor: ["policy", "retryable_codes"],
        AuditLogInterceptor: ["sink", "logger"],
        CapabilityInterceptor: ["service_map"],
        RateLimitInterceptor:
            ["rate", "burst", "per", "global_rps", "per_service_rps", "per_method_rps", "per_peer_rps"],
    }  # fmt: skip
    for cls, expected in names.items():
        assert list(inspect.signature(cls).parameters) == expected


# -- deadline ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
@asynchronous
async def test_deadline(pattern, monkeypatch):
    clock = Clock(monkeypatch, ("deadline", "time"))
    chain = Chain.of([DeadlineInterceptor(250)])
    assert await call(chain, context(pattern)) is None
    assert await call(chain, context(pattern, deadline=clock.now - 0.25)) is None
    error = await call(chain, context(pattern, deadline=clock.now - 0.251))
    assert (error.code, error.message) == (StatusCode.DEADLINE_EXCEEDED, "deadline already expired on receipt")


def test_time_that_is_left(monkeypatch):
    clock = Clock(monkeypatch, ("deadline", "time"))
    deadline = DeadlineInterceptor()
    assert deadline.timeout_seconds(context()) is None
    assert deadline.timeout_seconds(context(deadline=clock.now + 2.5)) == 2.5
    assert deadline.timeout_seconds(context(deadline=clock.now - 1)) == 0.0
    with pytest.raises(ValueError):
        DeadlineInterceptor(-1)


# -- auth ----------------------------------------------------------------------------------------------------------


async def slow_token():
    return "t3"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    ("provider", "options", "expected"),
    [
        ("t1", {}, {"authorization": "Bearer t1"}),
        (lambda: "t2", {"scheme": ""}, {"authorization": "t2"}),
        (slow_token, {"metadata_key": "x-token", "scheme": "Token"}, {"x-token": "Token t3"}),
        (lambda: None, {}, {}),
    ],
)
@asynchronous
async def test_tokens_are_added(pattern, provider, options, expected):
    chain = Chain.of([AuthInterceptor(token_provider=provider, **options)])
    ctx = context(pattern)
    await chain.start(ctx)
    if pattern in {"client_stream", "bidi_stream"}:
        # Their header leaves before the first item.
        assert ctx.metadata == expected
    await chain.request(ctx, 1)
    assert ctx.metadata == expected


@asynchronous
async def test_a_token_that_is_there_stays_and_the_provider_is_not_asked():
    ctx = context(metadata={"authorization": "Bearer mine"})
    await call(Chain.of([AuthInterceptor(token_provider=pytest.fail)]), ctx)
    assert ctx.metadata == {"authorization": "Bearer mine"}


@pytest.mark.parametrize("pattern", PATTERNS)
@asynchronous
async def test_tokens_are_checked(pattern, caplog):
    seen = []

    def validator(token):
        seen.append(token)
        return token == "good"

    chain = Chain.of([AuthInterceptor(validator=validator)])
    assert await call(chain, context(pattern, metadata={"authorization": "bearer  good"}), items=3) is None
    for header in ("Bearer bad", "Basic good", "Bearer ", "good", None):
        error = await call(chain, context(pattern, metadata={"authorization": header} if header else {}))
        assert type(error) is UnauthenticatedError
        assert error.message == "authentication failed"
    assert seen == ["good", "bad"]

    async def with_context(token, ctx):
        return ctx.method == "m" and token == "good"

    assert await call(
        Chain.of([AuthInterceptor(validator=with_context, scheme="")]), context(metadata={"authorization": "good"})
    ) is None  # fmt: skip

    def broken(token):
        raise ValueError("database")

    error = await call(
        Chain.of([AuthInterceptor(validator=broken, scheme="")]), context(metadata={"authorization": "x"})
    )
    assert error.message == "authentication failed"
    assert "database" in caplog.text


# -- retry ---------------------------------------------------------------------------------------------------------


def test_backoff(monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.0)
    backoff = ExponentialBackoff()
    assert [backoff.seconds(attempt) for attempt in (1, 2, 3, 9, 10, 5000)] == [0.1, 0.2, 0.4, 25.6, 30.0, 30.0]
    monkeypatch.setattr("random.random", lambda: 1.0)
    assert RetryInterceptor().backoff_seconds(1) == pytest.approx(0.11)
    assert (RetryPolicy().max_attempts, RetryPolicy().backoff) == (3, ExponentialBackoff(100, 30000, 2.0, 0.1))
    for wrong in (lambda: RetryPolicy(0), lambda: ExponentialBackoff(initial_ms=-1)):
        with pytest.raises(ValueError):
            wrong()


def test_what_is_retried():
    retry = RetryInterceptor()
    unavailable = UnavailableError("x")
    for pattern in PATTERNS:
        ctx = context(pattern, idempotent=True)
        assert retry.should_retry(ctx, unavailable) == (pattern != "bidi_stream")
    assert not retry.should_retry(context(), unavailable)
    assert not retry.should_retry(context(idempotent=True, attempt=3), unavailable)
    assert not retry.should_retry(context(idempotent=True), InternalError("x"))
    assert not retry.should_retry(context(idempotent=True, deadline=1.0), unavailable)
    chosen = RetryInterceptor(RetryPolicy(9), [13, 250])
    assert chosen.should_retry(context(idempotent=True, attempt=8), InternalError("x"))
    assert chosen.should_retry(context(idempotent=True), RpcError(250, "x"))
    assert not chosen.should_retry(context(idempotent=True), unavailable)


class Attempts:
    def __init__(self, *outcomes):
        self.outcomes, self.made = list(outcomes), 0

    async def __call__(self):
        self.made += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


@asynchronous
async def test_retrying(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr("aster.interceptors.retry.asyncio.sleep", sleep)
    retry = RetryInterceptor(RetryPolicy(4, ExponentialBackoff(initial_ms=50, jitter=0)))
    failures = [UnavailableError(str(number)) for number in range(4)]

    attempts, ctx = Attempts(failures[0], failures[1], "done"), context(idempotent=True)
    assert await retrying(retry, ctx, attempts, lambda: None) == "done"
    assert (attempts.made, ctx.attempt, slept) == (3, 3, [0.05, 0.1])

    attempts = Attempts(*failures)
    assert await raised(retrying(retry, context(idempotent=True), attempts, lambda: None)) is failures[3]
    assert attempts.made == 4

    # Attempts that could not begin in time are not waited for.
    attempts = Attempts(*failures)
    left = iter([1.0, 0.1])
    assert await raised(retrying(retry, context(idempotent=True), attempts, lambda: next(left))) is failures[1]

    attempts = Attempts(*failures)
    may_repeat = iter([True, False])
    error = await raised(
        retrying(retry, context(idempotent=True), attempts, lambda: None, may_repeat=lambda: next(may_repeat))
    )
    assert error is failures[1]
    other = Attempts(NotFoundError("x"))
    assert (await raised(retrying(retry, context(idempotent=True), other, lambda: None))).message == "x"


# -- circuit breaker -----------------------------------------------------------------------------------------------


@asynchronous
async def test_circuit_breaker(monkeypatch):
    clock = Clock(monkeypatch, ("circuit_breaker", "monotonic"))
    breaker = CircuitBreakerInterceptor(failure_threshold=2, recovery_timeout=3.0)
    chain = Chain.of([breaker])
    assert await call(chain, context(), UnavailableError("x")) is not None
    assert await call(chain, context()) is None
    for failure in (InternalError("x"), UnknownRpcError("x")):
        assert breaker.state == "closed"
        await call(chain, context(), failure)
    assert breaker.state == "open"
    error = await call(chain, context())
    assert (error.code, error.message) == (StatusCode.UNAVAILABLE, "circuit breaker is open")
    clock.now += 2.9
    assert breaker.state == "open"
    clock.now += 0.1
    assert breaker.state == "half_open"

    # One trial at a time; a refusal is no verdict, neither is a cancelled trial.
    trial = context()
    await chain.request(trial, 1)
    error = await call(chain, context())
    assert error.message == "circuit breaker is half-open"
    assert breaker.state == "half_open"
    await chain.error(trial, CancelledError("cancelled"))
    assert breaker.state == "half_open"
    await call(chain, context(), InternalError("x"))
    assert breaker.state == "open"
    clock.now += 3
    # The other side answers, if not what we like.
    await call(chain, context(), NotFoundError("x"))
    assert breaker.state == "closed"


@pytest.mark.parametrize("pattern", PATTERNS)
@asynchronous
async def test_circuit_breaker_counts_calls_and_not_items(pattern, monkeypatch):
    clock = Clock(monkeypatch, ("circuit_breaker", "monotonic"))
    breaker = CircuitBreakerInterceptor(failure_threshold=1)
    chain = Chain.of([breaker])
    await call(chain, context(pattern), UnavailableError("x"), items=3)
    assert breaker.state == "open"
    clock.now += 5
    assert await call(chain, context(pattern), items=3) is None
    assert breaker.state == "closed"


@asynchronous
async def test_calls_of_an_earlier_state_have_no_say(monkeypatch):
    clock = Clock(monkeypatch, ("circuit_breaker", "monotonic"))
    breaker = CircuitBreakerInterceptor(failure_threshold=1, half_open_max_calls=2)
    chain = Chain.of([breaker])
    slow, late = context(), context()
    await chain.request(slow, 1)
    await chain.request(late, 1)
    breaker.before_call()
    breaker.record_failure()
    assert breaker.state == "open"
    clock.now += 5
    assert breaker.state == "half_open"
    await chain.response(slow, 1)
    await chain.error(late, UnavailableError("x"))
    assert breaker.state == "half_open"
    breaker.before_call()
    breaker.before_call()
    with pytest.raises(UnavailableError, match="half-open"):
        breaker.before_call()
    breaker.record_success()
    assert breaker.state == "closed"


# -- audit and metrics ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
@asynchronous
async def test_audit(pattern, monkeypatch, caplog):
    clock = Clock(monkeypatch, ("audit", "time"))
    entries = []
    chain = Chain.of([AuditLogInterceptor(sink=entries)])
    await call(chain, context(pattern, attempt=2), items=3)
    await call(chain, context(pattern), NotFoundError("gone"), items=3)
    same = {"service": "S", "method": "m", "call_id": "id", "ts": clock.now}
    assert entries == [
        {"event": "request", "attempt": 2, **same},
        {"event": "response", "attempt": 2, **same},
        {"event": "request", "attempt": 1, **same},
        {"event": "error", "attempt": 1, **same, "code": "NOT_FOUND", "message": "gone"},
    ]
    assert caplog.text == ""


@asynchronous
async def test_audit_goes_to_loggers_and_survives_its_sink(caplog):
    caplog.set_level(logging.INFO)
    await call(Chain.of([AuditLogInterceptor()]), CallContext("S", "m", "evil\nid\u2028", pattern="unary"))
    lines = [record for record in caplog.records if record.name == "aster.audit"]
    assert len(lines) == 2
    assert "\n" not in lines[0].getMessage()
    assert json.loads(lines[0].getMessage())["call_id"] == "evil\nid\u2028"
    own = logging.getLogger("test.audit")
    called = []

    def sink(entry):
        called.append(entry["event"])
        raise OSError("disk full")

    assert await call(Chain.of([AuditLogInterceptor(sink=sink, logger=own)]), context()) is None
    assert called == ["request", "response"]
    assert sum(record.name == "test.audit" for record in caplog.records) == 2
    assert "disk full" in caplog.text


def numbers(metrics):
    return tuple(metrics.snapshot().values())


@pytest.mark.parametrize("pattern", PATTERNS)
@asynchronous
async def test_metrics(pattern):
    metrics = MetricsInterceptor()
    chain = Chain.of([metrics])
    await call(chain, context(pattern), items=3)
    await call(chain, context(pattern), items=0)
    await call(chain, context(pattern), NotFoundError("x"), items=3)
    running = context(pattern)
    await chain.start(running)
    await chain.request(running, 1)
    assert metrics.snapshot() == {"started": 4, "succeeded": 2, "failed": 1, "in_flight": 1}
    # Nobody could be asked: the task of the handler was cancelled.
    chain.finish(running, CancelledError("cancelled"))
    chain.finish(running)
    assert (metrics.started, metrics.succeeded, metrics.failed, metrics.in_flight) == (4, 2, 2, 0)


@asynchronous
async def test_metrics_of_calls_that_others_refuse():
    outer, inner = MetricsInterceptor(), MetricsInterceptor()
    chain = Chain.of([outer, RateLimitInterceptor(1.0), inner])
    await call(chain, context())
    await call(chain, context())
    assert numbers(outer) == (2, 1, 1, 0)
    assert numbers(inner) == (1, 1, 0, 0)


@asynchronous
async def test_a_response_that_gets_lost_was_no_success():
    metrics = MetricsInterceptor()
    chain = Chain.of([metrics])
    ctx = context()
    await chain.request(ctx, 1)
    await chain.response(ctx, 1)
    assert numbers(metrics) == (1, 1, 0, 0)
    await chain.error(ctx, InternalError("cannot encode response"))
    assert numbers(metrics) == (1, 0, 1, 0)


class Telemetry:
    """Stands for the package opentelemetry: writes down what is measured."""

    def __init__(self, monkeypatch):
        self.seen = []
        metrics, trace = types.ModuleType("opentelemetry.metrics"), types.ModuleType("opentelemetry.trace")
        metrics.get_meter = trace.get_tracer = lambda name: self
        trace.Status = lambda code, text: (code, text)
        trace.StatusCode = types.SimpleNamespace(ERROR="ERROR")
        package = types.ModuleType("opentelemetry")
        package.metrics, package.trace = metrics, trace
        for module in (package, metrics, trace):
            monkeypatch.setitem(sys.modules, module.__name__, module)

    def instrument(self, name, **_):
        def note(value, about):
            self.seen.append((name, value, about.get("rpc.status")))

        return types.SimpleNamespace(add=note, record=note)

    create_counter = create_histogram = instrument

    def start_span(self, name, attributes):
        self.seen.append(("span", name, attributes))
        return types.SimpleNamespace(
            set_attribute=lambda key, value: self.seen.append((key, value)),
            set_status=lambda status: self.seen.append(("status", status)),
            end=lambda: self.seen.append(("end", name)),
        )


@asynchronous
async def test_open_telemetry(monkeypatch):
    clock = Clock(monkeypatch, ("metrics", "monotonic"))
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert not MetricsInterceptor().has_otel
    telemetry = Telemetry(monkeypatch)
    metrics = MetricsInterceptor()
    assert metrics.has_otel
    chain = Chain.of([metrics])
    about = {"rpc.system": "aster", "rpc.service": "S", "rpc.method": "m"}
    for pattern, error in (("unary", None), ("bidi_stream", NotFoundError("gone"))):
        telemetry.seen.clear()
        ctx = context(pattern)
        await chain.start(ctx)
        await chain.request(ctx, 1)
        clock.now += 1.5
        if error is None:
            await chain.response(ctx, 1)
            chain.finish(ctx)
        else:
            await chain.error(ctx, error)
        status = "OK" if error is None else "NOT_FOUND"
        failed = [] if error is None else [("status", ("ERROR", "gone"))]
        assert telemetry.seen == [
            ("aster.rpc.started", 1, None),
            ("span", "S/m", about),
            ("aster.rpc.completed", 1, status),
            ("aster.rpc.duration", 1.5, status),
            ("rpc.status", status),
            *failed,
            ("end", "S/m"),
        ]


# -- capability ----------------------------------------------------------------------------------------------------


@service("Guarded", requires="member")
class Guarded:
    @rpc
    async def open(self, value: Num) -> Num:
        return value

    @rpc(requires=any_of("ops", "admin"))
    async def ops(self, value: Num) -> Num:
        return value

    @rpc(requires=all_of("ops", "admin"))
    async def both(self, value: Text) -> Text:
        return value


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("declared", [Guarded, Guarded(), Guarded.__aster_service_info__])
@asynchronous
async def test_capabilities(pattern, declared):
    chain = Chain.of([CapabilityInterceptor({"Guarded": declared})])

    async def answer(method, roles, name="Guarded"):
        attributes = {} if roles is None else {"aster.role": roles}
        error = await call(chain, CallContext(name, method, "id", pattern=pattern, attributes=attributes))
        if error is not None:
            assert error.code is StatusCode.PERMISSION_DENIED
        return None if error is None else error.message.removeprefix("capability check failed for ")

    assert await answer("open", " member ,x") is None
    assert await answer("open", None) == "service 'Guarded'"
    assert await answer("open", "Member") == "service 'Guarded'"
    assert await answer("ops", "admin") == "service 'Guarded'"
    assert await answer("ops", "member") == "method 'Guarded.ops'"
    assert await answer("ops", "member,admin") is None
    assert await answer("both", "member,admin") == "method 'Guarded.both'"
    assert await answer("both", "ops,member,admin") is None
    assert await answer("none", "member") == "method 'Guarded.none'"
    assert await answer("open", "member", "Other") == "service 'Other'"


def test_capabilities_want_services():
    with pytest.raises(TypeError, match="int is not @service-decorated"):
        CapabilityInterceptor({"x": 1})


# -- rate limit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
@asynchronous
async def test_rate_limit(pattern, monkeypatch):
    clock = Clock(monkeypatch, ("rate_limit", "monotonic"))
    chain = Chain.of([RateLimitInterceptor(2.0, burst=3)])
    for _ in range(3):
        assert await call(chain, context(pattern), items=5) is None
    error = await call(chain, context(pattern))
    assert (error.code, error.message) == (StatusCode.RESOURCE_EXHAUSTED, "Rate limit exceeded (2/s per global)")
    assert error.details == {"retry_after_ms": "500"}
    clock.now += 0.4
    assert (await call(chain, context(pattern))).details == {"retry_after_ms": "100"}
    clock.now += 0.1
    assert await call(chain, context(pattern)) is None
    clock.now += 1000
    for _ in range(3):
        assert await call(chain, context(pattern)) is None
    assert await call(chain, context(pattern)) is not None


@asynchronous
async def test_rate_limits_per_key(monkeypatch):
    Clock(monkeypatch, ("rate_limit", "monotonic"))

    def of(service, method, peer):
        return CallContext(service, method, "id", peer=peer, pattern="unary")

    for per, other in (("service", of("T", "m", "p")), ("method", of("S", "n", "p")), ("peer", of("S", "m", "q"))):
        chain = Chain.of([RateLimitInterceptor(1.5, 1, per)])
        assert await call(chain, of("S", "m", "p")) is None
        assert (await call(chain, of("S", "m", "p"))).message == f"Rate limit exceeded (1.5/s per {per})"
        assert await call(chain, other) is None

    chain = Chain.of([RateLimitInterceptor(global_rps=2, per_peer_rps=1)])
    assert await call(chain, of("S", "m", "p")) is None
    # What the peer's limit refuses takes nothing from the global one.
    assert (await call(chain, of("S", "m", "p"))).message == "Rate limit exceeded (1/s per peer)"
    assert await call(chain, of("S", "m", "q")) is None
    assert (await call(chain, of("S", "m", "r"))).message == "Rate limit exceeded (2/s per global)"


@asynchronous
async def test_buckets_are_bounded(monkeypatch):
    Clock(monkeypatch, ("rate_limit", "monotonic"))
    monkeypatch.setattr("aster.interceptors.rate_limit._MAX_BUCKETS", 2)
    chain = Chain.of([RateLimitInterceptor(1.0, per="peer")])
    outcomes = [await call(chain, context(peer=peer)) is None for peer in ("a", "b", "a", "c", "a", "b")]
    # "b" made room for "c"; "a" was used since, and is still out of tokens.
    assert outcomes == [True, True, False, True, False, True]


def test_wrong_rates():
    for wrong in ({"rate": 0}, {"rate": float("inf")}, {"burst": 0.5}, {"per": "call"}, {"per_peer_rps": -1.0}):
        with pytest.raises(ValueError):
            RateLimitInterceptor(**wrong)


# -- compression ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
@asynchronous
async def test_compression_leaves_a_local_note(pattern):
    for made, expected in (
        (CompressionInterceptor(), "4096"),
        (CompressionInterceptor(10), "10"),
        (CompressionInterceptor(-1), "-1"),
        (CompressionInterceptor(enabled=False), "-1"),
    ):
        ctx = context(pattern)
        assert await call(Chain.of([made]), ctx) is None
        assert ctx.metadata == {"_aster_compression_threshold": expected}
    with pytest.raises(ValueError):
        CompressionInterceptor(-2)


@asynchronous
async def test_calls_refused_before_them_do_not_concern_those_behind():
    entries, breaker = [], CircuitBreakerInterceptor(failure_threshold=1)

    class Refuses(Interceptor):
        async def on_request(self, ctx, request):
            raise UnavailableError("not now")

    chain = Chain.of([Refuses(), AuditLogInterceptor(sink=entries), breaker])
    assert (await call(chain, context())).message == "not now"
    assert (entries, breaker.state) == ([], "closed")
    # These have seen the start of the call.
    await call(chain, context("bidi_stream"))
    assert ([entry["event"] for entry in entries], breaker.state) == (["request", "error"], "open")


# -- all -----------------------------------------------------------------------------------------------------------


def test_patterns_may_be_members():
    ctx = context(RpcPattern.BIDI_STREAM, idempotent=True)
    assert not RetryInterceptor().should_retry(ctx, UnavailableError("x"))


@asynchronous
async def test_deadline_errors_are_neutral_for_the_breaker():
    breaker = CircuitBreakerInterceptor(failure_threshold=1)
    await call(Chain.of([breaker]), context(), DeadlineExceededError("deadline exceeded"))
    assert breaker.state == "closed"
