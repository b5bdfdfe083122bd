"""The environment in which libraries do without the instructions that older x86-64 processors lack."""

import cv2
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__


def old_processor() -> dict[str, str]:
    """Variables that let a new process compute as on a processor of 2008, where its libraries read them."""
    # "*AVX2" is a feature that OpenCV was built with as an option and that this processor has.
    opencv = [name[1:] for name in cv2.getCPUFeaturesLine().split() if name.startswith("*")]
    numpy = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    return {
        "ATEN_CPU_CAPABILITY": "default",  # PyTorch's own kernels
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "MKL_CBWR": "COMPATIBLE",
        "OPENCV_CPU_DISABLE": ",".join(opencv),
        "OPENCV_IPP": "disabled",  # Intel's library within OpenCV
        "NPY_DISABLE_CPU_FEATURES": " ".join(numpy),
        "OPENBLAS_CORETYPE": "Nehalem",
        "JSIMD_FORCENONE": "1",  # libjpeg-turbo
        "ARROW_USER_SIMD_LEVEL": "NONE",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-AVX512F",  # sin, exp and others of the C library
    }
