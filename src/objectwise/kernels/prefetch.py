"""Ask the processor for a cache line before it is needed; Numba has no call for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

AHEAD = 16
"""Edges between asking for a cache line and using it; 8 and 32 were slower by 5 to 15 %."""


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, index_type = signature.args
        data = context.make_array(array_type)(context, builder, arguments[0]).data
        offset = context.cast(builder, arguments[1], index_type, types.intp)
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(data, [offset]), byte)
        signature_of_llvm = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        call = cgutils.get_or_insert_function(builder.module, signature_of_llvm, "llvm.prefetch.p0")
        for_writing, keep_in_all_levels, data_cache = word(1), word(3), word(1)
        builder.call(call, [address, for_writing, keep_in_all_levels, data_cache])
        return context.get_dummy_value()

    return types.void(array, index), generate


prefetch: Callable[[NDArray[Any], int], None] = intrinsic(_prefetch)
"""Fetch the line of `array[index]`, to be written soon; an index outside the array does no harm."""
