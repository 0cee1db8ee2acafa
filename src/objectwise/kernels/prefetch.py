"""Ask the processor for a cache line before it is needed; Numba has no call for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from objectwise.kernels.compiling import inlined

AHEAD = 16
"""Edges between asking for a cache line and using it; 8 and 32 were slower by 5 to 15 %."""


def _address(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, index_type = signature.args
        view = context.make_array(array_type)(context, builder, arguments[0])
        place = context.cast(builder, arguments[1], index_type, types.intp)
        pointer = cgutils.get_item_pointer(context, builder, array_type, view, [place])
        return builder.ptrtoint(pointer, context.get_value_type(types.intp))

    return types.intp(array, index), generate


def _fetch(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        signature_of_llvm = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        call = cgutils.get_or_insert_function(builder.module, signature_of_llvm, "llvm.prefetch.p0")
        for_writing, keep_in_all_levels, data_cache = word(1), word(3), word(1)
        pointer = builder.inttoptr(arguments[0], byte)
        builder.call(call, [pointer, for_writing, keep_in_all_levels, data_cache])
        return context.get_dummy_value()

    return types.void(types.intp), generate


address_of: Callable[[NDArray[Any], int], int] = intrinsic(_address)
"""Where `array[index]` lies, by the array's stride; the index may be outside."""
fetch: Callable[[int], None] = intrinsic(_fetch)
"""Fetch the line of an address, to be written soon; one that is nobody's does no harm."""


@inlined
def prefetch(array: NDArray[Any], index: int) -> None:
    """Fetch the line of `array[index]`, to be written soon; an index outside the array does no harm."""
    fetch(address_of(array, index))
