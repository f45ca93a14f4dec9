"""How kernels are compiled, cached and given their memory. The only module with numba.

Kernels are free functions over numbers and flat arrays; each also runs uncompiled, as plain Python
(NUMBA_DISABLE_JIT=1).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
from collections.abc import Callable
from importlib import resources
from typing import Any, TypeVar, cast

import numba
import numba.extending
import numpy as np
from numba.core import caching, cgutils
from numba.np import arrayobj

Function = TypeVar("Function", bound=Callable[..., object])


_CONFIG: Any = numba.config
_TOOLS: Any = cgutils
ir: Any = _TOOLS.ir

# The modules that compiled code is made of, constants and record layouts included. Numba notices
# only changes of the file a function stands in; callers have their callees compiled in.
SOURCES = (
    "cells", "columns", "kernels", "layout", "lifecycle", "limits", "measures", "memory", "motion",
    "records", "spreading", "stream", "upkeep",
)  # fmt: skip


def sources_digest() -> str:
    """Return a hash of the source text of `SOURCES`, part of the key of what the disk keeps."""
    package = resources.files("geofence")
    texts = [(package / f"{name}.py").read_bytes() for name in SOURCES]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


# Kinds of arguments of entries: read-only takes both.
INT, FLOAT, FLAG = numba.types.int64, numba.types.float64, numba.types.boolean
I32_READ, I64_READ, F64_READ, F32_READ, U8_READ = (
    numba.types.Array(kind, 1, "C", readonly=True)
    for kind in (numba.types.int32, numba.types.int64, numba.types.float64, numba.types.float32,
                 numba.types.uint8)
)  # fmt: skip
U8_WRITE = numba.types.Array(numba.types.uint8, 1, "C")

_ENTRIES: list[tuple[Any, tuple[Any, ...]]] = []
_JIT = not _CONFIG.DISABLE_JIT


class _Stamp:
    """Mixed into numba's locators: compiled code is as old as all the sources together."""

    digest = sources_digest()

    def get_source_stamp(self) -> str:
        return self.digest


class Provided(_Stamp, caching.UserProvidedCacheLocator):
    """Where NUMBA_CACHE_DIR says."""


class InTree(_Stamp, caching.InTreeCacheLocator):
    """Beside the sources."""


class UserWide(_Stamp, caching.UserWideCacheLocator):
    """In the user's cache, where the sources are read-only."""


def _compiled(function: Function, **options: bool) -> Function:
    njit: Any = numba.njit
    compiled: Any = njit(nogil=True, error_model="numpy", **options)(function)
    if _JIT:
        before = _CONFIG.CACHE_LOCATOR_CLASSES
        _CONFIG.CACHE_LOCATOR_CLASSES = ",".join(
            f"{__name__}.{kind.__name__}" for kind in (Provided, InTree, UserWide)
        )
        # Where no directory is writable every start compiles anew.
        with contextlib.suppress(RuntimeError):
            compiled.enable_caching()
        _CONFIG.CACHE_LOCATOR_CLASSES = before
    return cast(Function, compiled)


def kernel(function: Function) -> Function:
    """Compile `function` at first use, cached on disk; it gives up the interpreter lock."""
    return _compiled(function)


def entry(*kinds: Any) -> Callable[[Function], Function]:
    """Compile a kernel that Python calls, for arguments of these kinds only; see `prepare`."""

    def wrap(function: Function) -> Function:
        compiled = _compiled(function)
        _ENTRIES.append((compiled, kinds))
        return compiled

    return wrap


def prepare() -> None:
    """Compile all entries, or load them from the disk; done once in a process.

    From then on an argument of another kind raises TypeError, instead of being compiled for.
    """
    while _ENTRIES:
        compiled, kinds = _ENTRIES.pop()
        if _JIT:
            compiled.compile(kinds)
            compiled.disable_compile()


def inlined(function: Function) -> Function:
    """Compile a function into its callers, where the call would cost more than the work."""
    return _compiled(function, forceinline=True)


def _lower_view(memory: Any, slot: Any, dtype: Any, dimensions: int) -> Any:
    """Type and lower `rows_at` and `table_at`: an array struct that nobody counts."""
    kind: Any = numba.types.Array(dtype.dtype, dimensions, "C")

    def lower(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        word = context.get_value_type(numba.types.int64)
        vector = builder.inttoptr(arguments[0], ir.PointerType(word))
        address, *shape = (
            builder.load(
                builder.gep(vector, [builder.add(arguments[1], word(k))], source_etype=word)
            )
            for k in range(1 + dimensions)
        )
        view = context.make_array(kind)(context, builder)
        bytes_ = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        size = context.get_constant(numba.types.intp, bytes_)
        strides = [size] if dimensions == 1 else [builder.mul(shape[1], size), size]
        populate: Any = arrayobj.populate_array
        populate(
            view, data=builder.inttoptr(address, view.data.type), shape=shape,
            strides=strides, itemsize=size, meminfo=None,
        )  # fmt: skip
        return view._getvalue()

    return kind(memory, slot, dtype), lower


def _lower_rows(typing: Any, memory: Any, slot: Any, dtype: Any) -> Any:  # noqa: ARG001
    return _lower_view(memory, slot, dtype, 1)


def _lower_table(typing: Any, memory: Any, slot: Any, dtype: Any) -> Any:  # noqa: ARG001
    return _lower_view(memory, slot, dtype, 2)


def _lower_borrowed(typing: Any, array: Any) -> Any:  # noqa: ARG001
    """Type and lower `borrowed`: the same array struct, its owner left out."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        owner: Any = numba.types.MemInfoPointer
        view.meminfo = context.get_constant_null(owner(numba.types.voidptr))
        return view._getvalue()

    return array(array), lower


def _lower_prefetch(typing: Any, array: Any, row: Any) -> Any:  # noqa: ARG001
    """Type and lower `prefetch`: LLVM's instruction, for writing, into the nearest cache."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, arguments[0])
        at = [arguments[1]] + [context.get_constant(numba.types.intp, 0)] * (kind.ndim - 1)
        place = _TOOLS.get_item_pointer(context, builder, kind, view, at)
        place = builder.bitcast(place, context.get_value_type(numba.types.voidptr))
        word = ir.IntType(32)
        called = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        fetch = _TOOLS.get_or_insert_function(builder.module, called, "llvm.prefetch.p0")
        builder.call(fetch, [place, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return numba.types.void(array, numba.types.int64), lower


@functools.lru_cache(maxsize=256)
def _view(address: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return the memory at an address as an array, uncompiled."""
    bytes_ = int(np.prod(shape)) * dtype.itemsize
    if bytes_ == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer((ctypes.c_char * bytes_).from_address(address), dtype).reshape(shape)


def _view_rows(memory: int, slot: int, dtype: Any) -> Any:
    address, rows = _view(memory + 8 * slot, (2,), np.dtype(np.int64)).tolist()
    return _view(address, (rows,), dtype)


def _view_table(memory: int, slot: int, dtype: Any) -> Any:
    address, rows, columns = _view(memory + 8 * slot, (3,), np.dtype(np.int64)).tolist()
    return _view(address, (rows, columns), dtype)


def _fetch_nothing(array: Any, row: int) -> None:
    """Uncompiled, nothing is worth fetching."""


def _same(array: Any) -> Any:
    return array


# Inside a kernel: the array that stands at a slot of `geofence.memory` (rows_at one-dimensional,
# table_at two-), without the unboxing and counting that array arguments cost; an argument without
# its count; and the hint to fetch a row early.
rows_at: Any = numba.extending.intrinsic(_lower_rows) if _JIT else _view_rows
table_at: Any = numba.extending.intrinsic(_lower_table) if _JIT else _view_table
borrowed: Any = numba.extending.intrinsic(_lower_borrowed) if _JIT else _same
prefetch: Any = numba.extending.intrinsic(_lower_prefetch) if _JIT else _fetch_nothing
