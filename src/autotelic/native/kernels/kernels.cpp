// The parts of a decoder's training step that are no matrix products over all tokens: norms, rotary attention over packed rows, the
// gated SiLU and token scores, each forward and backward; and the logits of a large head, whose product of bf16 torch cannot leave in fp32.
// Not a trainer: it knows arrays only. Other products are left to torch.
//
// Sums run in one fixed order for a given number of threads. Vectors are those of vectors.h. T is float, or uint16_t for bf16; all
// arithmetic is in fp32.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "vectors.h"

namespace {

constexpr int BLOCK = 16;  // queries that are attended together

template <class T>
inline vf load(const T* p, int count) {  // zeros after `count`
    if (count >= VL) return load(p);
    T part[VL] = {};
    for (int i = 0; i < count; i++) part[i] = p[i];
    return load(part);
}
template <class T>
inline void store(T* p, vf v, int count) {
    if (count >= VL) return store(p, v);
    T part[VL];
    store(part, v);
    for (int i = 0; i < count; i++) p[i] = part[i];
}
inline vf sigmoid(vf x) { return 1.0f / (exponential(-x) + 1.0f); }

// f(begin, end, part) over 0..n in `threads` parts.
template <class F>
void split(long n, int threads, F&& f) {
    threads = static_cast<int>(std::max(1L, std::min<long>(threads, n)));
    std::vector<std::thread> others;
    for (int t = 1; t < threads; t++) others.emplace_back([&, t] { f(n * t / threads, n * (t + 1) / threads, t); });
    f(0, n / threads, 0);
    for (auto& thread : others) thread.join();
}

// ---- norms --------------------------------------------------------------------------------------------------------------------------

// sum = x + delta (delta may be null, then nothing is written); y = sum * r * w, r = 1 / rms(sum).
template <class T>
void norm_forward(long n, int d, int threads, const float* x, const T* delta, const float* w, float eps, float* sum, T* y, float* r) {
    split(n, threads, [=](long begin, long end, int) {
        for (long i = begin; i < end; i++) {
            const float* row = x + i * d;
            vf squares{};
            for (int j = 0; j < d; j += VL) {
                vf v = load(row + j, d - j);
                if (delta) v += load(delta + i * d + j, d - j), store(sum + i * d + j, v, d - j);
                squares += v * v;
            }
            if (delta) row = sum + i * d;
            r[i] = 1.0f / std::sqrt(total(squares) / d + eps);
            for (int j = 0; j < d; j += VL) store(y + i * d + j, load(row + j, d - j) * r[i] * load(w + j, d - j), d - j);
        }
    });
}

// dx = r (dy w - xhat mean(dy w xhat)) + carried, with xhat = x r; small = dx in T; dw = sum over rows of dy xhat. carried, small, dw may be null.
template <class T>
void norm_backward(long n, int d, int threads, const float* x, const float* w, const float* r, const T* dy, const float* carried, float* dx, T* small,
                   float* dw) {
    const long width = up(d, VL);
    std::vector<float> sums(dw ? width * std::max(1, threads) : 0);
    split(n, threads, [&](long begin, long end, int part) {
        float* own = sums.data() + part * width;
        for (long i = begin; i < end; i++) {
            const long at = i * d;
            vf dots{};
            for (int j = 0; j < d; j += VL) {
                const vf along = load(dy + at + j, d - j) * load(x + at + j, d - j);
                dots += along * load(w + j, d - j);
                if (dw) store(own + j, load(own + j) + along * r[i]);
            }
            const float pull = total(dots) * r[i] * r[i] / d;
            for (int j = 0; j < d; j += VL) {
                const int c = d - j;
                vf g = (load(dy + at + j, c) * load(w + j, c) - load(x + at + j, c) * pull) * r[i];
                if (carried) g += load(carried + at + j, c);
                store(dx + at + j, g, c);
                if (small) store(small + at + j, g, c);
            }
        }
    });
    if (!dw) return;
    std::memset(dw, 0, d * sizeof(float));
    for (size_t part = 0; part * width < sums.size(); part++)
        for (int j = 0; j < d; j++) dw[j] += sums[part * width + j];
}

// ---- gated SiLU ---------------------------------------------------------------------------------------------------------------------

// Rows of both are gate then up: (n, 2 f). h = silu(gate) * up.
template <class T>
void gate_forward(long n, int f, int threads, const T* both, T* h) {
    split(n, threads, [=](long begin, long end, int) {
        for (long i = begin; i < end; i++)
            for (int j = 0; j < f; j += VL) {
                const int c = f - j;
                const vf g = load(both + 2 * i * f + j, c);
                store(h + i * f + j, g * sigmoid(g) * load(both + (2 * i + 1) * f + j, c), c);
            }
    });
}

template <class T>
void gate_backward(long n, int f, int threads, const T* both, const T* dh, T* dboth) {
    split(n, threads, [=](long begin, long end, int) {
        for (long i = begin; i < end; i++)
            for (int j = 0; j < f; j += VL) {
                const int c = f - j;
                const vf g = load(both + 2 * i * f + j, c), u = load(both + (2 * i + 1) * f + j, c), d = load(dh + i * f + j, c);
                const vf s = sigmoid(g);
                store(dboth + 2 * i * f + j, d * u * s * (1.0f + g * (1.0f - s)), c);
                store(dboth + (2 * i + 1) * f + j, d * g * s, c);
            }
    });
}

// ---- token scores -------------------------------------------------------------------------------------------------------------------

// Of logits z (n, v), divided by scale: log p(target), entropy, logsumexp(z) - mean(z), and logsumexp(z).
void scores_forward(long n, int v, int threads, const float* logits, const int64_t* targets, const float* scale, float* logprobs, float* entropy,
                    float* certainty, float* normalizer) {
    split(n, threads, [=](long begin, long end, int) {
        for (long i = begin; i < end; i++) {
            const float* z = logits + i * v;
            const float over = 1.0f / scale[i];
            vf top = fill(-INFINITY), sum{}, weight{}, weighted{};
            int j = 0;
            for (; j + VL <= v; j += VL) top = largest(top, load(z + j));
            float most = peak(top);
            for (; j < v; j++) most = std::max(most, z[j]);
            for (j = 0; j < v; j += VL) {
                vf a = (load(z + j, v - j) - most) * over;
                if (v - j < VL)
                    for (int k = v - j; k < VL; k++) a[k] = 0;
                sum += a;
                vf e = exponential(a);
                if (v - j < VL)
                    for (int k = v - j; k < VL; k++) e[k] = 0;
                weight += e, weighted += e * a;
            }
            const float mass = total(weight), log_mass = std::log(mass);
            logprobs[i] = (z[targets[i]] - most) * over - log_mass;
            entropy[i] = log_mass - total(weighted) / mass;
            certainty[i] = log_mass - total(sum) / v;
            normalizer[i] = most * over + log_mass;
        }
    });
}

// dlogits = (dlogprob (onehot - p) - dentropy p (log p + entropy) + dcertainty (p - 1 / v)) / scale; each of the three may be null.
void scores_backward(long n, int v, int threads, const float* logits, const int64_t* targets, const float* scale, const float* entropy,
                     const float* normalizer, const float* dlogprobs, const float* dentropy, const float* dcertainty, float* dlogits) {
    split(n, threads, [=](long begin, long end, int) {
        for (long i = begin; i < end; i++) {
            const float over = 1.0f / scale[i], g = dlogprobs ? dlogprobs[i] : 0, h = dentropy ? dentropy[i] : 0;
            const float c = dcertainty ? dcertainty[i] : 0, even = c * over / v;
            for (int j = 0; j < v; j += VL) {
                const vf logp = load(logits + i * v + j, v - j) * over - normalizer[i];
                store(dlogits + i * v + j, exponential(logp) * (-g - h * (logp + entropy[i]) + c) * over - even, v - j);
            }
            dlogits[i * v + targets[i]] += g * over;
        }
    });
}

// ---- the head in bf16 ---------------------------------------------------------------------------------------------------------------

constexpr int WIDE = 2 * VL;  // outputs of one panel of weights

// Weights (v, 2 pairs) in bf16, two in a word, to panels (ceil(v / WIDE), pairs, WIDE), zeros after the last.
void head_pack(long v, int pairs, int threads, const uint32_t* weights, uint32_t* packed) {
    split((v + WIDE - 1) / WIDE, threads, [=](long begin, long end, int) {
        for (long p = begin; p < end; p++)
            for (int j = 0; j < WIDE; j++) {
                const long output = p * WIDE + j;
                uint32_t* to = packed + p * pairs * WIDE + j;
                for (int i = 0; i < pairs; i++) to[i * WIDE] = output < v ? weights[output * pairs + i] : 0;
            }
    });
}

template <int R>
inline void logits_tile(const uint32_t* panel, int pairs, const uint32_t* x, float* out, long ld, long count) {
    vf sum[R][2] = {};
    for (int k = 0; k < pairs; k++, panel += WIDE) {
        const vu left = load(panel), right = load(panel + VL);
#pragma GCC unroll 16
        for (int r = 0; r < R; r++) {
            const uint32_t pair = x[long(r) * pairs + k];
            sum[r][0] = fused(sum[r][0], pair, left), sum[r][1] = fused(sum[r][1], pair, right);
        }
    }
    for (int r = 0; r < R; r++) {
        store(out + r * ld, sum[r][0], static_cast<int>(std::min<long>(count, VL)));
        if (count > VL) store(out + r * ld + VL, sum[r][1], static_cast<int>(std::min<long>(count - VL, VL)));
    }
}

// Logits (n, v) fp32 of x (n, 2 pairs) in bf16, two in a word, and packed weights.
void head_logits(long n, long v, int pairs, int threads, const uint32_t* x, const uint32_t* packed, float* logits) {
    split((v + WIDE - 1) / WIDE, threads, [=](long begin, long end, int) {
        for (long p = begin; p < end; p++) {
            const uint32_t* panel = packed + p * pairs * WIDE;
            float* out = logits + p * WIDE;
            long i = 0;
            for (; i + TILE <= n; i += TILE) logits_tile<TILE>(panel, pairs, x + i * pairs, out + i * v, v, v - p * WIDE);
            for (; i < n; i++) logits_tile<1>(panel, pairs, x + i * pairs, out + i * v, v, v - p * WIDE);
        }
    });
}

// p (n, v) in bf16: the softmax of logits divided by scale.
void head_shares(long n, int v, int threads, const float* logits, const float* scale, const float* normalizer, uint16_t* p) {
    split(n, threads, [=](long begin, long end, int) {
        for (long i = begin; i < end; i++)
            for (int j = 0; j < v; j += VL)
                store(p + i * v + j, exponential(load(logits + i * v + j, v - j) * (1.0f / scale[i]) - normalizer[i]), v - j);
    });
}

// p becomes the gradient of the logits, as in scores_backward; at the target from its log-probability, as 1 - p would lose its digits there.
void head_backward(long n, int v, int threads, uint16_t* p, const int64_t* targets, const float* scale, const float* logprobs, const float* entropy,
                   const float* dlogprobs, const float* dentropy, const float* dcertainty) {
    split(n, threads, [=](long begin, long end, int) {
        for (long i = begin; i < end; i++) {
            const float over = 1.0f / scale[i], g = dlogprobs ? dlogprobs[i] : 0, h = dentropy ? dentropy[i] : 0;
            const float c = dcertainty ? dcertainty[i] : 0, even = c * over / v;
            for (int j = 0; j < v; j += VL) {
                const vf share = load(p + i * v + j, v - j);
                vf pull = fill(c - g);
                if (h != 0) pull -= h * (logarithm(largest(share, fill(1e-37f))) + entropy[i]);
                store(p + i * v + j, share * pull * over - even, v - j);
            }
            const float lp = logprobs[i], share = std::exp(lp);
            store(p + i * v + targets[i], fill((-g * std::expm1(lp) + share * (c - h * (lp + entropy[i]))) * over - even), 1);
        }
    });
}

// ---- attention ----------------------------------------------------------------------------------------------------------------------

// C (m, n) = or += A (m, k; strides am, ak) B (k, n; stride ldb). n is a multiple of VL.
template <int M, int N>
inline void tile(long k, const float* a, long am, long ak, const float* b, long ldb, float* c, long ldc, bool add) {
    vf sum[M][N];
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) sum[i][j] = add ? load(c + i * ldc + j * VL) : vf{};
    for (long p = 0; p < k; p++) {
        vf right[N];
        for (int j = 0; j < N; j++) right[j] = load(b + p * ldb + j * VL);
        for (int i = 0; i < M; i++) {
            const vf left = fill(a[i * am + p * ak]);
            for (int j = 0; j < N; j++) sum[i][j] += left * right[j];
        }
    }
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) store(c + i * ldc + j * VL, sum[i][j]);
}

template <int M>
inline void strip(long n, long k, const float* a, long am, long ak, const float* b, long ldb, float* c, long ldc, bool add) {
    long j = 0;
    for (; j + 2 * VL <= n; j += 2 * VL) tile<M, 2>(k, a, am, ak, b + j, ldb, c + j, ldc, add);
    if (j < n) tile<M, 1>(k, a, am, ak, b + j, ldb, c + j, ldc, add);
}

void product(long m, long n, long k, const float* a, long am, long ak, const float* b, long ldb, float* c, long ldc, bool add) {
    long i = 0;
    for (; i + TILE <= m; i += TILE) strip<TILE>(n, k, a + i * am, am, ak, b, ldb, c + i * ldc, ldc, add);
    if (TILE > 4)
        for (; i + 4 <= m; i += 4) strip<4>(n, k, a + i * am, am, ak, b, ldb, c + i * ldc, ldc, add);
    for (; i < m; i++) strip<1>(n, k, a + i * am, am, ak, b, ldb, c + i * ldc, ldc, add);
}

struct Shape {
    int32_t heads, kv_heads, head_dim, threads;
    int64_t trees;
    const int64_t* tree_at;  // (trees + 1): segments of each tree, its root first
    const int64_t* starts;   // (segments + 1): tokens of each segment
    const float *cos, *sin;  // (context, head_dim)
    long longest;            // tokens of the longest root and one of its children together
};

struct Scratch {  // of one thread: keys and values of a root, then those of one of its children, and a segment's queries
    long dp, keys;
    std::vector<float> kt, v, q, s, o, k, vt, dk, dv, dq, ds, d_o;
    Scratch(const Shape& shape, bool backward) : dp(up(shape.head_dim, VL)), keys(up(shape.longest, VL) + VL) {
        const long side = keys * dp;
        for (auto* part : {&kt, &v, &q}) part->assign(side, 0.0f);
        s.assign(BLOCK * keys, 0.0f), o.assign(BLOCK * dp, 0.0f);
        if (!backward) return;
        for (auto* part : {&k, &vt, &dk, &dv, &dq, &d_o}) part->assign(side, 0.0f);
        ds.assign(BLOCK * keys, 0.0f);
    }
};

// One head of one token, rotated by its position.
template <class T>
inline void rotated(const T* from, int d, const float* cos, const float* sin, float scale, float* to) {
    const int half = d / 2;
    float row[1024];
    int j = 0;
    for (; j + VL <= d; j += VL) store(row + j, load(from + j));
    if (j < d) store(row + j, load(from + j, d - j), d - j);
    for (int j = 0; j < half; j++) to[j] = (row[j] * cos[j] - row[j + half] * sin[j]) * scale;
    for (int j = half; j < d; j++) to[j] = (row[j] * cos[j] + row[j - half] * sin[j]) * scale;
}

template <class T>
inline void rotated_back(const float* from, int d, const float* cos, const float* sin, float scale, T* to) {
    const int half = d / 2;
    float row[1024];
    for (int j = 0; j < half; j++) row[j] = (from[j] * cos[j] + from[j + half] * sin[j + half]) * scale;
    for (int j = half; j < d; j++) row[j] = (from[j] * cos[j] - from[j - half] * sin[j - half]) * scale;
    for (int j = 0; j < d; j += VL) store(to + j, load(row + j, d - j), d - j);
}

inline void transposed(const float* from, long rows, long dp, int d, float* to, long ld) {  // (rows, dp) to (d, rows)
    for (long i = 0; i < rows; i++)
        for (int j = 0; j < d; j++) to[j * ld + i] = from[i * dp + j];
}

template <class T>
struct Attention {
    const Shape& shape;
    const T* qkv;  // (tokens, (heads + 2 kv_heads) head_dim)
    T* out;        // (tokens, heads head_dim)
    float* log_sums;  // (tokens, heads)
    const T* dout = nullptr;
    T* dqkv = nullptr;

    long width() const { return static_cast<long>(shape.heads + 2 * shape.kv_heads) * shape.head_dim; }
    const T* key(long token, int head) const { return qkv + token * width() + static_cast<long>(shape.heads + head) * shape.head_dim; }
    const T* value(long token, int head) const { return key(token, head + shape.kv_heads); }

    // Keys and values of a segment to places `offset` on.
    void read_keys(Scratch& s, long start, long count, long offset, int head) const {
        const int d = shape.head_dim;
        std::vector<float>& k = s.k.empty() ? s.q : s.k;  // forward: the queries' place is free still
        for (long i = 0; i < count; i++) {
            rotated(key(start + i, head), d, shape.cos + (offset + i) * d, shape.sin + (offset + i) * d, 1.0f, &k[(offset + i) * s.dp]);
            for (int j = 0; j < d; j += VL) store(&s.v[(offset + i) * s.dp + j], load(value(start + i, head) + j, d - j), d - j);
        }
        transposed(&k[offset * s.dp], count, s.dp, d, &s.kt[offset], s.keys);
        if (!s.vt.empty()) transposed(&s.v[offset * s.dp], count, s.dp, d, &s.vt[offset], s.keys);
    }

    void read_queries(Scratch& s, long start, long count, long offset, int head) const {
        const int d = shape.head_dim;
        const float scale = 1.0f / std::sqrt(static_cast<float>(d));
        for (long i = 0; i < count; i++) {
            const long at = (offset + i) * d;
            rotated(qkv + (start + i) * width() + static_cast<long>(head) * d, d, shape.cos + at, shape.sin + at, scale, &s.q[i * s.dp]);
        }
    }

    void attend(Scratch& s, long start, long count, long offset, int head) const {
        const int d = shape.head_dim;
        read_queries(s, start, count, offset, head);
        for (long first = 0; first < count; first += BLOCK) {
            const long rows = std::min<long>(BLOCK, count - first), columns = offset + first + rows, padded = up(columns, VL);
            product(rows, padded, d, &s.q[first * s.dp], s.dp, 1, s.kt.data(), s.keys, s.s.data(), s.keys, false);
            float over[BLOCK];
            for (long i = 0; i < rows; i++) {
                float* row = &s.s[i * s.keys];
                std::fill(row + offset + first + i + 1, row + padded, -INFINITY);
                vf top = load(row), sum{};
                for (long j = VL; j < padded; j += VL) top = largest(top, load(row + j));
                const float most = peak(top);
                for (long j = 0; j < padded; j += VL) {
                    const vf e = exponential(load(row + j) - most);
                    store(row + j, e), sum += e;
                }
                const float mass = total(sum);
                over[i] = 1.0f / mass;
                log_sums[(start + first + i) * shape.heads + head] = most + std::log(mass);
            }
            product(rows, s.dp, columns, s.s.data(), s.keys, 1, s.v.data(), s.dp, s.o.data(), s.dp, false);
            for (long i = 0; i < rows; i++) {
                T* to = out + ((start + first + i) * shape.heads + head) * d;
                for (int j = 0; j < d; j += VL) store(to + j, load(&s.o[i * s.dp + j]) * over[i], d - j);
            }
        }
    }

    void attend_back(Scratch& s, long start, long count, long offset, int head) const {
        const int d = shape.head_dim;
        const float scale = 1.0f / std::sqrt(static_cast<float>(d));
        read_queries(s, start, count, offset, head);
        for (long first = 0; first < count; first += BLOCK) {
            const long rows = std::min<long>(BLOCK, count - first), columns = offset + first + rows, padded = up(columns, VL);
            const float* q = &s.q[first * s.dp];
            float pull[BLOCK];
            for (long i = 0; i < rows; i++) {
                const long at = ((start + first + i) * shape.heads + head) * d;
                vf sum{};
                for (int j = 0; j < d; j += VL) {
                    const vf g = load(dout + at + j, d - j);
                    store(&s.d_o[i * s.dp + j], g, d - j);
                    sum += g * load(out + at + j, d - j);
                }
                pull[i] = total(sum);
            }
            product(rows, padded, d, q, s.dp, 1, s.kt.data(), s.keys, s.s.data(), s.keys, false);
            product(rows, padded, d, s.d_o.data(), s.dp, 1, s.vt.data(), s.keys, s.ds.data(), s.keys, false);
            for (long i = 0; i < rows; i++) {
                float *row = &s.s[i * s.keys], *drow = &s.ds[i * s.keys];
                const float log_sum = log_sums[(start + first + i) * shape.heads + head];
                std::fill(row + offset + first + i + 1, row + padded, -INFINITY);
                for (long j = 0; j < padded; j += VL) {
                    const vf p = exponential(load(row + j) - log_sum);
                    store(row + j, p), store(drow + j, p * (load(drow + j) - pull[i]));
                }
            }
            product(columns, s.dp, rows, s.s.data(), 1, s.keys, s.d_o.data(), s.dp, s.dv.data(), s.dp, true);
            product(columns, s.dp, rows, s.ds.data(), 1, s.keys, q, s.dp, s.dk.data(), s.dp, true);
            product(rows, s.dp, columns, s.ds.data(), s.keys, 1, s.k.data(), s.dp, s.dq.data(), s.dp, false);
            for (long i = 0; i < rows; i++) {
                const long at = (offset + first + i) * d;
                rotated_back(&s.dq[i * s.dp], d, shape.cos + at, shape.sin + at, scale,
                             dqkv + (start + first + i) * width() + static_cast<long>(head) * d);
            }
        }
    }

    // Gradients of a segment's keys and values out of places `offset` on, which are zeros afterwards.
    void write_keys(Scratch& s, long start, long count, long offset, int head) const {
        const int d = shape.head_dim;
        for (long i = 0; i < count; i++) {
            const long at = (offset + i) * d;
            T* dkey = dqkv + (key(start + i, head) - qkv);
            T* dvalue = dqkv + (value(start + i, head) - qkv);
            rotated_back(&s.dk[(offset + i) * s.dp], d, shape.cos + at, shape.sin + at, 1.0f, dkey);
            for (int j = 0; j < d; j += VL) store(dvalue + j, load(&s.dv[(offset + i) * s.dp + j]), d - j);
        }
        std::fill(&s.dk[offset * s.dp], &s.dk[offset * s.dp] + count * s.dp, 0.0f);
        std::fill(&s.dv[offset * s.dp], &s.dv[offset * s.dp] + count * s.dp, 0.0f);
    }

    void run(bool backward) const {
        const int share = shape.heads / shape.kv_heads;
        split(shape.trees, shape.threads, [&](long begin, long end, int) {
            Scratch s(shape, backward);
            for (long tree = begin; tree < end; tree++)
                for (int head = 0; head < shape.kv_heads; head++) {
                    const long root = shape.tree_at[tree], root_start = shape.starts[root], root_count = shape.starts[root + 1] - root_start;
                    for (long segment = root; segment < shape.tree_at[tree + 1]; segment++) {
                        const long start = shape.starts[segment], count = shape.starts[segment + 1] - start, offset = segment == root ? 0 : root_count;
                        read_keys(s, start, count, offset, head);
                        for (int h = head * share; h < (head + 1) * share; h++)
                            backward ? attend_back(s, start, count, offset, h) : attend(s, start, count, offset, h);
                        if (backward && segment != root) write_keys(s, start, count, offset, head);
                    }
                    if (backward) write_keys(s, root_start, root_count, 0, head);
                }
        });
    }
};

}  // namespace

#define BOTH(T, name)                                                                                                                              \
    void autotelic_norm_forward_##name(long n, int d, int threads, const float* x, const T* delta, const float* w, float eps, float* sum, T* y,    \
                                       float* r) {                                                                                                 \
        norm_forward<T>(n, d, threads, x, delta, w, eps, sum, y, r);                                                                               \
    }                                                                                                                                              \
    void autotelic_norm_backward_##name(long n, int d, int threads, const float* x, const float* w, const float* r, const T* dy,                   \
                                        const float* carried, float* dx, T* small, float* dw) {                                                    \
        norm_backward<T>(n, d, threads, x, w, r, dy, carried, dx, small, dw);                                                                      \
    }                                                                                                                                              \
    void autotelic_gate_forward_##name(long n, int f, int threads, const T* both, T* h) { gate_forward<T>(n, f, threads, both, h); }               \
    void autotelic_gate_backward_##name(long n, int f, int threads, const T* both, const T* dh, T* dboth) {                                        \
        gate_backward<T>(n, f, threads, both, dh, dboth);                                                                                          \
    }                                                                                                                                              \
    void autotelic_attend_forward_##name(const Shape* shape, const T* qkv, T* out, float* log_sums) {                                              \
        Attention<T>{*shape, qkv, out, log_sums}.run(false);                                                                                       \
    }                                                                                                                                              \
    void autotelic_attend_backward_##name(const Shape* shape, const T* qkv, const T* out, const float* log_sums, const T* dout, T* dqkv) {         \
        Attention<T>{*shape, qkv, const_cast<T*>(out), const_cast<float*>(log_sums), dout, dqkv}.run(true);                                        \
    }

extern "C" {
void autotelic_head_pack(long v, int pairs, int threads, const uint32_t* weights, uint32_t* packed) { head_pack(v, pairs, threads, weights, packed); }
void autotelic_head_logits(long n, long v, int pairs, int threads, const uint32_t* x, const uint32_t* packed, float* logits) {
    head_logits(n, v, pairs, threads, x, packed, logits);
}
void autotelic_head_shares(long n, int v, int threads, const float* logits, const float* scale, const float* normalizer, uint16_t* p) {
    head_shares(n, v, threads, logits, scale, normalizer, p);
}
void autotelic_head_backward(long n, int v, int threads, uint16_t* p, const int64_t* targets, const float* scale, const float* logprobs,
                             const float* entropy, const float* dlogprobs, const float* dentropy, const float* dcertainty) {
    head_backward(n, v, threads, p, targets, scale, logprobs, entropy, dlogprobs, dentropy, dcertainty);
}
BOTH(float, fp32)
BOTH(uint16_t, bf16)
void autotelic_scores_forward(long n, int v, int threads, const float* logits, const int64_t* targets, const float* scale, float* logprobs,
                              float* entropy, float* certainty, float* normalizer) {
    scores_forward(n, v, threads, logits, targets, scale, logprobs, entropy, certainty, normalizer);
}
void autotelic_scores_backward(long n, int v, int threads, const float* logits, const int64_t* targets, const float* scale, const float* entropy,
                               const float* normalizer, const float* dlogprobs, const float* dentropy, const float* dcertainty, float* dlogits) {
    scores_backward(n, v, threads, logits, targets, scale, entropy, normalizer, dlogprobs, dentropy, dcertainty, dlogits);
}
}
