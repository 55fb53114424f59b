// Vectors of floats, of the width that the machine has, for engine.cpp and kernels.cpp: GCC's and Clang's own, so the same source builds for AVX-512, AVX2,
// plain x86-64 and Arm. No algorithms but exp and log.

#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int VL = 16, TILE = 8;  // floats in a vector; rows of a register tile, which is two vectors wide
#elif defined(__AVX__)
constexpr int VL = 8, TILE = 4;
#elif defined(__aarch64__)
constexpr int VL = 4, TILE = 8;
#else
constexpr int VL = 4, TILE = 4;
#endif

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));
typedef float vf_any __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef uint32_t vu_any __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef uint16_t vh __attribute__((vector_size(VL * 2)));
typedef uint16_t vh_any __attribute__((vector_size(VL * 2), aligned(2), may_alias));

inline vf load(const float* p) { return *reinterpret_cast<const vf_any*>(p); }
inline vu load(const uint32_t* p) { return *reinterpret_cast<const vu_any*>(p); }
inline vf load(const uint16_t* p) { return (vf)(__builtin_convertvector((vh)*reinterpret_cast<const vh_any*>(p), vu) << 16); }
inline void store(float* p, vf v) { *reinterpret_cast<vf_any*>(p) = v; }
inline vf fill(float x) { return vf{} + x; }
inline vf pick(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }
#if defined(__AVX512F__)
inline vf largest(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }  // b where either is not a number
#else
inline vf largest(vf a, vf b) { return pick(a > b, a, b); }
#endif
inline vi lanes() {  // 0, 1, 2, ...
    vi v;
    for (int i = 0; i < VL; i++) v[i] = i;
    return v;
}
template <class N>
constexpr N up(N n, int unit) { return (n + unit - 1) / unit * unit; }

typedef float v4 __attribute__((vector_size(16), aligned(4), may_alias));
template <class Op>
inline float reduce(vf v, Op op) {  // over all lanes, in one fixed order
    const v4* parts = reinterpret_cast<const v4*>(&v);
    v4 left = parts[0];
    for (int i = 1; i < VL / 4; i++) left = op(left, parts[i]);
    return op(op(left[0], left[2]), op(left[1], left[3]));
}
inline float total(vf v) {
    return reduce(v, [](auto a, auto b) { return a + b; });
}
inline float peak(vf v) {
    return reduce(v, [](auto a, auto b) { return a > b ? a : b; });
}

// The polynomial of exp on |r| <= log(2) / 2 (Cephes).
inline vf polynomial(vf r) {
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return p * (r * r) + (r + 1.0f);
}

// exp to about one unit in the last place; 0 far below -87, so that masked entries weigh nothing; what is not a number stays so.
#if defined(__AVX512F__)
inline vf exponential(vf x) {
    const __m512 y = _mm512_min_ps(_mm512_set1_ps(88.0f), _mm512_max_ps(_mm512_set1_ps(-104.0f), (__m512)x));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(y, _mm512_set1_ps(1.44269504088896341f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const vf r = ((vf)y - (vf)n * 0.693359375f) + (vf)n * 2.12194440e-4f;
    return (vf)_mm512_scalef_ps((__m512)polynomial(r), n);
}
inline vf silu(vf x) {  // the reciprocal by one Newton step is as exact as exp, and several times as fast as a division
    const vf d = exponential(-largest(fill(-80.0f), x)) + 1.0f;
    const vf y = (vf)_mm512_rcp14_ps((__m512)d);
    return x * (y * (2.0f - d * y));
}
#else
inline vf exponential(vf x) {
    const vf top = pick(x > fill(88.0f), fill(88.0f), x);
    const vf y = pick(top < fill(-87.0f), fill(-87.0f), top);
    const vf magic = fill(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const vf n = (y * 1.44269504088896341f + magic) - magic;
    const vf p = polynomial((y - n * 0.693359375f) + n * 2.12194440e-4f);
    const vi power = (__builtin_convertvector(n, vi) + 127) << 23;
    return (vf)((vi)(p * (vf)power) & ~(vi)(x < fill(-87.0f)));
}
inline vf silu(vf x) { return x / (exponential(-x) + 1.0f); }
#endif

// log of what is positive and not subnormal, to about 1e-6.
inline vf logarithm(vf x) {
    const vi bits = (vi)x;
    const vi mantissa = (bits & 0x007fffff) | 0x3f800000;
    const vi over = (vi)((vf)mantissa > fill(1.41421356f));  // all ones where so: halved
    const vf m = (vf)(mantissa - (over & 0x00800000)) - 1.0f;
    const vf power = __builtin_convertvector((bits >> 23) - 127 - over, vf);
    vf p = m * 7.0376836292e-2f - 1.1514610310e-1f;  // Cephes
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    return power * 0.693147180559945f + (m - m * m * 0.5f + m * m * m * p);
}

inline uint32_t bf16(float x) {  // round to nearest even
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

inline vu bf16(vf v) {  // the same in every lane
    const vu bits = (vu)v;
    return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
inline vf fused(vf sum, uint32_t pair, vu weights) {  // sum + both products of a pair of bf16
#if defined(__AVX512BF16__)
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)weights);
#else
    float low, high;
    const uint32_t bits[2] = {pair << 16, pair & 0xffff0000u};
    std::memcpy(&low, &bits[0], 4), std::memcpy(&high, &bits[1], 4);
    sum += low * (vf)(weights << 16);
    sum += high * (vf)(weights & 0xffff0000u);
    return sum;
#endif
}
inline void store(uint16_t* p, vf v) { *reinterpret_cast<vh_any*>(p) = __builtin_convertvector(bf16(v), vh); }

}  // namespace
