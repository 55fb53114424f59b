// Continues prompts with a Llama- or Qwen-type decoder on CPU threads: weights in packed panels, paged key-value cache, prompt read
// once for all samples of a request, slots refilled as sequences end. Not a trainer, not a loader; it knows token ids and weights only.
//
// Every row of every product is summed in one fixed order, whatever the number of rows: results do not depend on batch or threads.
// Vectors are those of GCC and Clang, so the same source builds for AVX-512, AVX2, plain x86-64 and Arm.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <thread>
#include <type_traits>
#include <vector>
#if defined(__AVX512BF16__)
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
constexpr int WIDE = 2 * VL;      // outputs of one panel
constexpr int PAGE = 16;          // tokens of one cache page
constexpr int SLOTS = 16;         // sequences that step together on one thread
constexpr int PREFILL = 64;       // prompt tokens read together
constexpr int PAD = 2 * WIDE;     // floats after a row that vector stores may touch, and that keep rows off one cache set
constexpr float INF = std::numeric_limits<float>::infinity();

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));
typedef float vf_any __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef uint32_t vu_any __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef uint16_t half_any __attribute__((may_alias));  // half of a 32-bit word

inline vf load(const float* p) { return *reinterpret_cast<const vf_any*>(p); }
inline vu load(const uint32_t* p) { return *reinterpret_cast<const vu_any*>(p); }
inline void store(float* p, vf v) { *reinterpret_cast<vf_any*>(p) = v; }
inline vf fill(float x) { return vf{} + x; }
inline vf pick(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }
inline vf largest(vf a, vf b) { return pick(a > b, a, b); }
inline vi lanes() {  // 0, 1, 2, ...
    vi v;
    for (int i = 0; i < VL; i++) v[i] = i;
    return v;
}
constexpr int up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// f with min(n, N) as a constant of the compiler's.
template <int N, class F>
inline void upto(int n, F&& f) {
    if constexpr (N > 1)
        if (n < N) return upto<N - 1>(n, f);
    f(std::integral_constant<int, N>());
}

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

// exp to about one unit in the last place (Cephes' polynomial); 0 below -87, so that masked entries weigh nothing.
inline vf exponential(vf x) {
    const vf top = pick(x > fill(88.0f), fill(88.0f), x);
    const vf y = pick(top < fill(-87.0f), fill(-87.0f), top);
    const vf magic = fill(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const vf n = (y * 1.44269504088896341f + magic) - magic;
    const vf r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + (r + 1.0f);
    const vi power = (__builtin_convertvector(n, vi) + 127) << 23;
    return (vf)((vi)(p * (vf)power) & ~(vi)(x < fill(-87.0f)));  // what is not a number stays so
}
inline vf silu(vf x) { return x / (exponential(-x) + 1.0f); }

// ---- memory -------------------------------------------------------------------------------------------------------------------------

struct Free {
    void operator()(void* p) const { std::free(p); }
};
template <class T>
using Memory = std::unique_ptr<T[], Free>;

template <class T>
Memory<T> zeros(size_t count) {
    const size_t bytes = (count * sizeof(T) / 64 + 1) * 64;
    void* p = std::aligned_alloc(64, bytes);
    if (!p) throw std::bad_alloc();
    std::memset(p, 0, bytes);
    return Memory<T>(static_cast<T*>(p));
}

struct Matrix {  // rows of floats, each followed by padding
    Memory<float> data;
    long stride = 0;
    void shape(int rows, int columns) { stride = up(columns, VL) + PAD, data = zeros<float>(rows * stride); }
    float* operator[](int row) const { return data.get() + row * stride; }
};

// ---- matrix products ----------------------------------------------------------------------------------------------------------------

inline uint32_t bf16(float x) {  // round to nearest even
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

struct Linear {  // y = x W^T + b; panels of WIDE outputs, inputs outermost; in bf16, two inputs share a 32-bit word
    int inputs = 0, panels = 0;
    Memory<float> full, bias;
    Memory<uint32_t> half;

    // Output j of the panels has its weights at row(j) and its bias at offset(j); either may be null.
    void pack(int in, int outputs, bool to_half, const std::function<const float*(int)>& row, const std::function<const float*(int)>& offset) {
        inputs = in, panels = (outputs + WIDE - 1) / WIDE;
        const int pairs = (in + 1) / 2;
        bias = zeros<float>(panels * WIDE);
        if (to_half) half = zeros<uint32_t>(size_t(panels) * pairs * WIDE);
        else full = zeros<float>(size_t(panels) * in * WIDE);
        for (int p = 0; p < panels; p++) {
            const float* rows[WIDE];
            for (int j = 0; j < WIDE; j++) {
                const int output = p * WIDE + j;
                rows[j] = output < outputs ? row(output) : nullptr;
                const float* b = output < outputs ? offset(output) : nullptr;
                bias[output] = b ? *b : 0.0f;
            }
            for (int i = 0; i < in; i++)
                for (int j = 0; j < WIDE; j++) {
                    const float w = rows[j] ? rows[j][i] : 0.0f;
                    if (to_half) half[(size_t(p) * pairs + i / 2) * WIDE + j] |= bf16(w) << (i % 2 * 16);
                    else full[(size_t(p) * in + i) * WIDE + j] = w;
                }
        }
    }
};

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
inline vf fused(vf sum, float x, vf weights) { return sum + x * weights; }

enum class Then { STORE, ADD, GATE };  // y = r, y += r, or y = silu(first vector of the panel) * second

template <int R, Then THEN, class T>
inline void tile(const T* panel, const float* bias, int depth, const T* x, long stride_x, float* y, long stride_y) {
    vf sum[R][2];
    for (int r = 0; r < R; r++) sum[r][0] = load(bias), sum[r][1] = load(bias + VL);
    for (int k = 0; k < depth; k++, panel += WIDE) {
        const auto left = load(panel), right = load(panel + VL);
        __builtin_prefetch(panel + depth * WIDE, 0, 2);  // the next panel, into the second cache
        __builtin_prefetch(panel + depth * WIDE + VL, 0, 2);
#pragma GCC unroll 16
        for (int r = 0; r < R; r++) {
            const T value = x[r * stride_x + k];
            sum[r][0] = fused(sum[r][0], value, left);
            sum[r][1] = fused(sum[r][1], value, right);
        }
    }
    for (int r = 0; r < R; r++) {
        float* out = y + r * stride_y;
        if (THEN == Then::GATE) {
            store(out, silu(sum[r][0]) * sum[r][1]);
        } else {
            store(out, THEN == Then::ADD ? load(out) + sum[r][0] : sum[r][0]);
            store(out + VL, THEN == Then::ADD ? load(out + VL) + sum[r][1] : sum[r][1]);
        }
    }
}

template <Then THEN, class T>
void product(const T* weights, const Linear& w, int depth, int rows, const T* x, long stride_x, const Matrix& y) {
    const int step = THEN == Then::GATE ? VL : WIDE;
    for (int p = 0; p < w.panels; p++) {
        const T* panel = weights + size_t(p) * depth * WIDE;
        const float* bias = w.bias.get() + p * WIDE;
        for (int r = 0; r < rows; r += TILE) {
            const T* from = x + r * stride_x;
            float* to = y[r] + p * step;
            upto<TILE>(rows - r, [&](auto count) { tile<count, THEN>(panel, bias, depth, from, stride_x, to, y.stride); });
        }
    }
}

// ---- the model ----------------------------------------------------------------------------------------------------------------------

struct Config {
    int32_t vocab, hidden, intermediate, layers, heads, kv_heads, head_dim, context, half;
    float eps;
};

// The pointers of one layer as the caller passes them, then those of the whole model; null where the model has no such tensor.
enum { Q, K, V, O, GATE, UP, DOWN, NORM1, NORM2, QB, KB, VB, OB, GATEB, UPB, DOWNB, QNORM, KNORM, PER_LAYER };
enum { EMBED, NORM, HEAD, COS, SIN };

struct Layer {
    Linear qkv, out, gate, down;
    Memory<float> norm1, norm2, qnorm, knorm;
};

struct Model {
    Config c;
    std::vector<Layer> layers;
    Linear head;
    Memory<float> norm;
    const float *embed, *cos, *sin;  // the caller's memory
    int head_pad, inner, kv;         // floats of a value row in the cache; of all query heads; of all key heads

    Model(const Config& config, const float* const* tensors) : c(config), layers(config.layers) {
        head_pad = up(c.head_dim, VL), inner = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
        const float* const* whole = tensors + size_t(c.layers) * PER_LAYER;
        embed = whole[EMBED], cos = whole[COS], sin = whole[SIN];
        norm = padded(whole[NORM], c.hidden);
        for (int l = 0; l < c.layers; l++) fill(layers[l], tensors + size_t(l) * PER_LAYER);
        plain(head, c.hidden, c.vocab, whole[HEAD], nullptr);
    }
    Memory<float> padded(const float* source, int count) const {
        if (!source) return nullptr;
        auto copy = zeros<float>(up(count, VL));
        std::memcpy(copy.get(), source, count * sizeof(float));
        return copy;
    }
    void plain(Linear& w, int in, int outputs, const float* weights, const float* bias) const {
        w.pack(in, outputs, c.half, [=](int j) { return weights + size_t(j) * in; }, [=](int j) { return bias ? bias + j : nullptr; });
    }
    void fill(Layer& layer, const float* const* t) const {
        layer.norm1 = padded(t[NORM1], c.hidden), layer.norm2 = padded(t[NORM2], c.hidden);
        layer.qnorm = padded(t[QNORM], c.head_dim), layer.knorm = padded(t[KNORM], c.head_dim);
        const auto part = [=](int j, int q, int k, int v, size_t width) -> const float* {  // queries, keys, values in one product
            const float* base = j < inner ? t[q] : j < inner + kv ? t[k] : t[v];
            return base ? base + (j < inner ? j : j < inner + kv ? j - inner : j - inner - kv) * width : nullptr;
        };
        layer.qkv.pack(c.hidden, inner + 2 * kv, c.half, [=](int j) { return part(j, Q, K, V, c.hidden); },
                       [=](int j) { return part(j, QB, KB, VB, 1); });
        plain(layer.out, inner, c.hidden, t[O], t[OB]);
        const auto gated = [=](int j, int gate, int lift, size_t width) -> const float* {  // a vector of gates, then one of ups
            const int output = j / WIDE * VL + j % VL;
            const float* base = j % WIDE < VL ? t[gate] : t[lift];
            return base && output < c.intermediate ? base + output * width : nullptr;
        };
        layer.gate.pack(c.hidden, 2 * up(c.intermediate, VL), c.half, [=](int j) { return gated(j, GATE, UP, c.hidden); },
                        [=](int j) { return gated(j, GATEB, UPB, 1); });
        plain(layer.down, c.intermediate, c.hidden, t[DOWN], t[DOWNB]);
    }
    int words(int floats) const { return c.half ? (floats + 1) / 2 : floats; }  // 32-bit words that so many numbers take in the cache
    size_t keys() const { return size_t(PAGE) * c.kv_heads * words(c.head_dim); }
    size_t values() const { return size_t(words(PAGE)) * c.kv_heads * head_pad; }
    size_t part() const { return keys() + values(); }  // words of one layer in a page
};

// A page holds for each layer: keys (kv_heads, head_dim, PAGE), then values (kv_heads, PAGE, head_pad). In bf16, a word holds the numbers of
// two neighbors: of two dimensions of a key, of two tokens' values.
struct Pages {
    const Model& model;
    std::vector<Memory<uint32_t>> all;
    std::vector<uint32_t*> unused;
    uint32_t* take() {
        if (unused.empty()) {
            all.push_back(zeros<uint32_t>(model.part() * model.c.layers));
            return all.back().get();
        }
        uint32_t* page = unused.back();
        unused.pop_back();
        return page;
    }
    void give(std::vector<uint32_t*>& pages) {
        unused.insert(unused.end(), pages.begin(), pages.end());
        pages.clear();
    }
};

struct Row {  // one token on its way through the layers, and what it attends to
    int token, position;
    const std::vector<uint32_t*>*prompt, *tail;
    int prompt_length, tail_length;  // tokens it sees, itself included
    int lane() const { return ((tail_length ? tail_length : prompt_length) - 1) % PAGE; }
    uint32_t* page() const { return tail_length ? (*tail)[(tail_length - 1) / PAGE] : (*prompt)[(prompt_length - 1) / PAGE]; }
};

// ---- layers -------------------------------------------------------------------------------------------------------------------------

void rms_norm(const float* x, const float* weight, int size, float eps, float* y) {
    vf squares = {};
    for (int i = 0; i < size; i += VL) squares += load(x + i) * load(x + i);
    const float scale = 1.0f / std::sqrt(total(squares) / size + eps);
    for (int i = 0; i < size; i += VL) store(y + i, load(x + i) * scale * load(weight + i));
}

class Network {  // the activations of one thread
  public:
    Matrix logits;

    explicit Network(const Model& model) : m(model) {
        const Config& c = m.c;
        x.shape(PREFILL, c.hidden), normed.shape(PREFILL, c.hidden), mixed.shape(PREFILL, m.inner);
        qkv.shape(PREFILL, m.inner + 2 * m.kv), gated.shape(PREFILL, c.intermediate), logits.shape(SLOTS, c.vocab);
        widest = up(std::max({c.hidden, m.inner, c.intermediate}), 2) / 2 + 16;
        if (c.half) halves = zeros<uint32_t>(size_t(PREFILL) * widest), queries = zeros<uint32_t>(m.inner);
        head_copy = zeros<float>(m.head_pad), heads = zeros<float>(c.heads * m.head_pad), sums.resize(c.heads);
    }

    // Run rows through all layers, writing their keys and values to the cache; x then holds the residual stream.
    void run(const std::vector<Row>& rows) {
        const Config& c = m.c;
        const int count = int(rows.size());
        for (int r = 0; r < count; r++) std::memcpy(x[r], m.embed + size_t(rows[r].token) * c.hidden, c.hidden * sizeof(float));
        for (int l = 0; l < c.layers; l++) {
            const Layer& layer = m.layers[l];
            norm(count, layer.norm1.get());
            apply<Then::STORE>(layer.qkv, count, normed, qkv);
            for (int r = 0; r < count; r++) remember(layer, l, rows[r], qkv[r]);
            for (int r = 0; r < count; r++) attend(l, rows[r], qkv[r], mixed[r]);
            apply<Then::ADD>(layer.out, count, mixed, x);
            norm(count, layer.norm2.get());
            apply<Then::GATE>(layer.gate, count, normed, gated);
            apply<Then::ADD>(layer.down, count, gated, x);
        }
    }

    // Logits of rows first..first+count of the last run, into rows 0..count of `logits`.
    void score(int first, int count) {
        for (int r = 0; r < count; r++) rms_norm(x[first + r], m.norm.get(), m.c.hidden, m.c.eps, normed[r]);
        apply<Then::STORE>(m.head, count, normed, logits);
        for (int r = 0; r < count; r++) std::fill(logits[r] + m.c.vocab, logits[r] + up(m.c.vocab, VL), -INF);
    }

  private:
    const Model& m;
    Matrix x, normed, qkv, mixed, gated;
    Memory<uint32_t> halves, queries;
    Memory<float> head_copy, heads;
    std::vector<float> scores, sums;
    long widest;

    void norm(int count, const float* weight) {
        for (int r = 0; r < count; r++) rms_norm(x[r], weight, m.c.hidden, m.c.eps, normed[r]);
    }

    template <Then THEN>
    void apply(const Linear& w, int count, const Matrix& in, const Matrix& out) {
        if (!m.c.half) return product<THEN>(w.full.get(), w, w.inputs, count, in.data.get(), in.stride, out);
        const int pairs = (w.inputs + 1) / 2;
        for (int r = 0; r < count; r++) round(in[r], w.inputs, halves.get() + r * widest);
        product<THEN>(w.half.get(), w, pairs, count, halves.get(), widest, out);
    }

    // Floats to bf16, two in a word; an odd last one is followed by 0.
    static void round(const float* from, int count, uint32_t* pairs) {
        pairs[(count - 1) / 2] = 0;
        half_any* to = reinterpret_cast<half_any*>(pairs);
        for (int i = 0; i < count; i++) to[i] = uint16_t(bf16(from[i]));
    }

    // Query-key norm and rotation in place, then key and value to their place in the cache.
    void remember(const Layer& layer, int l, const Row& row, float* q) {
        const Config& c = m.c;
        const float *cos = m.cos + size_t(row.position) * c.head_dim, *sin = m.sin + size_t(row.position) * c.head_dim;
        const float scale = 1.0f / std::sqrt(float(c.head_dim));
        for (int h = 0; h < c.heads + c.kv_heads; h++) {
            const float* weight = h < c.heads ? layer.qnorm.get() : layer.knorm.get();
            rotate(q + h * c.head_dim, weight, cos, sin, h < c.heads ? scale : 1.0f);
        }
        uint32_t* keys = row.page() + l * m.part();
        const float *key = q + m.inner, *value = key + m.kv;
        for (int h = 0; h < c.kv_heads; h++, key += c.head_dim, value += c.head_dim) {
            uint32_t* to = keys + size_t(h) * m.words(c.head_dim) * PAGE + row.lane();
            if (c.half) {
                for (int d = 0; d < c.head_dim; d += 2) to[d / 2 * PAGE] = bf16(key[d]) | bf16(key[d + 1]) << 16;
            } else {
                for (int d = 0; d < c.head_dim; d++) std::memcpy(to + d * PAGE, key + d, 4);
            }
            to = keys + m.keys() + size_t(h) * m.words(PAGE) * m.head_pad + row.lane() / (c.half ? 2 : 1) * m.head_pad;
            if (c.half) {
                half_any* part = reinterpret_cast<half_any*>(to) + row.lane() % 2;
                for (int d = 0; d < c.head_dim; d++) part[2 * d] = uint16_t(bf16(value[d]));
            } else {
                std::memcpy(to, value, c.head_dim * sizeof(float));
            }
        }
    }

    void rotate(float* head, const float* weight, const float* cos, const float* sin, float scale) {
        const int size = m.c.head_dim, half = size / 2;
        if (weight) {
            std::memcpy(head_copy.get(), head, size * sizeof(float));
            rms_norm(head_copy.get(), weight, size, m.c.eps, head_copy.get());
            std::memcpy(head, head_copy.get(), size * sizeof(float));
        }
        for (int d = 0; d < half; d++) {
            const float first = head[d] * scale, second = head[d + half] * scale;
            head[d] = first * cos[d] - second * sin[d];
            head[d + half] = second * cos[d] + first * sin[d];
        }
    }

    // The pages a row sees, from where this layer's part begins, with the number of tokens seen in each.
    template <class Visit>
    void visit(const Row& row, int l, Visit&& at) const {
        int i = 0;
        for (int t = 0; t < row.prompt_length; t += PAGE) at(i++, (*row.prompt)[t / PAGE] + l * m.part(), row.prompt_length - t);
        for (int t = 0; t < row.tail_length; t += PAGE) at(i++, (*row.tail)[t / PAGE] + l * m.part(), row.tail_length - t);
    }

    void attend(int l, const Row& row, const float* query, float* out) {
        const Config& c = m.c;
        if (!c.half) return attend<float>(l, row, query, c.head_dim, out);
        for (int h = 0; h < c.heads; h++) round(query + h * c.head_dim, c.head_dim, queries.get() + h * m.words(c.head_dim));
        attend<uint32_t>(l, row, queries.get(), m.words(c.head_dim), out);
    }

    // Pages outermost: keys of all heads, then values of all heads, are read in the order they lie in memory. size: words of one query.
    template <class T>
    void attend(int l, const Row& row, const T* query, int size, float* out) {
        const Config& c = m.c;
        const int pages = (row.prompt_length + PAGE - 1) / PAGE + (row.tail_length + PAGE - 1) / PAGE;
        const int group = c.heads / c.kv_heads, span = pages * PAGE, steps = m.words(PAGE);
        if (scores.size() < size_t(c.heads) * span) scores.resize(size_t(c.heads) * span * 2);
        visit(row, l, [&](int i, const uint32_t* page, int count) {
            const T* keys = reinterpret_cast<const T*>(page);
            for (int h = 0; h < c.heads; h++)
                compare(query + h * size, keys + h / group * size * PAGE, size, count, scores.data() + h * span + i * PAGE);
        });
        for (int h = 0; h < c.heads; h++) sums[h] = weigh(scores.data() + h * span, span);
        std::memset(heads.get(), 0, size_t(c.heads) * m.head_pad * sizeof(float));
        visit(row, l, [&](int i, const uint32_t* page, int) {
            const T* values = reinterpret_cast<const T*>(page + m.keys());
            for (int h = 0; h < c.heads; h++) {
                const float* weights = scores.data() + h * span + i * PAGE;
                uint32_t pairs[PAGE / 2];
                if (c.half) round(weights, PAGE, pairs);
                const T* weight = c.half ? reinterpret_cast<const T*>(pairs) : reinterpret_cast<const T*>(weights);
                for (int d = 0; d < m.head_pad; d += 4 * VL) {
                    const T* from = values + size_t(h / group) * steps * m.head_pad + d;
                    float* to = heads.get() + h * m.head_pad + d;
                    upto<4>((m.head_pad - d) / VL, [&](auto count) { gather<count>(weight, from, to); });
                }
            }
        });
        for (int h = 0; h < c.heads; h++)
            for (int d = 0; d < m.head_pad; d += VL) store(out + h * c.head_dim + d, load(heads.get() + h * m.head_pad + d) / sums[h]);
    }

    // Products of a query with the keys of one page; -inf past `count`.
    template <class T>
    static void compare(const T* query, const T* keys, int size, int count, float* to) {
        constexpr int PARTS = PAGE / VL, CHAINS = 4 / PARTS;  // independent sums, to hide latency
        vf sum[CHAINS][PARTS] = {};
        int d = 0;
        for (; d + CHAINS <= size; d += CHAINS)
            for (int i = 0; i < CHAINS; i++)
                for (int j = 0; j < PARTS; j++) sum[i][j] = fused(sum[i][j], query[d + i], load(keys + (d + i) * PAGE + j * VL));
        for (; d < size; d++)
            for (int j = 0; j < PARTS; j++) sum[0][j] = fused(sum[0][j], query[d], load(keys + d * PAGE + j * VL));
        for (int j = 0; j < PARTS; j++) {
            for (int i = 1; i < CHAINS; i++) sum[0][j] += sum[i][j];
            store(to + j * VL, pick(lanes() + j * VL < count, sum[0][j], fill(-INF)));
        }
    }

    // Scores to exp(score - max), in place; their sum.
    static float weigh(float* values, int count) {
        vf most = fill(-INF), sum = {};
        for (int t = 0; t < count; t += VL) most = largest(most, load(values + t));
        const float top = peak(most);
        for (int t = 0; t < count; t += VL) {
            const vf e = exponential(load(values + t) - top);
            store(values + t, e);
            sum += e;
        }
        return total(sum);
    }

    // Add N vectors of the weighted values of one page; past the last token the weights are 0.
    template <int N, class T>
    void gather(const T* weights, const T* values, float* out) const {
        constexpr int STEPS = std::is_same<T, float>::value ? PAGE : PAGE / 2;
        vf sum[2][N] = {};
#pragma GCC unroll 16
        for (int t = 0; t < STEPS; t++, values += m.head_pad)
            for (int j = 0; j < N; j++) sum[t % 2][j] = fused(sum[t % 2][j], weights[t], load(values + j * VL));
        for (int j = 0; j < N; j++) store(out + j * VL, load(out + j * VL) + (sum[0][j] + sum[1][j]));
    }
};

// ---- sampling -----------------------------------------------------------------------------------------------------------------------

double uniform(uint64_t key, uint64_t position) {  // SplitMix64, as autotelic.streams.uniforms
    uint64_t z = key + (position + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return double((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

struct Settings {  // of one request
    int32_t top_k, max_tokens, greedy, stops;
    float scale;
    double top_p;
};

class Sampler {
  public:
    explicit Sampler(int vocab) : vocab(vocab), weights(zeros<float>(up(vocab, VL))), blocks((vocab + BLOCK - 1) / BLOCK) {}

    // The next token (`forced` where not negative) from logits padded with -inf, and its log-probability under the whole softmax.
    int choose(const float* logits, const Settings& s, double draw, int forced, float* logprob) {
        vf most = fill(-INF);
        for (int i = 0; i < vocab; i += VL) most = largest(most, load(logits + i));
        const float top = peak(most);
        const double sum = weigh(logits, top, s.scale);
        int token = forced;
        if (token < 0 && !std::isfinite(sum)) token = 0;  // broken weights: the log-probability says so
        else if (token < 0 && s.greedy) token = int(std::find(logits, logits + vocab, top) - logits);
        else if (token < 0) token = s.top_p < 1 || s.top_k ? restricted(logits, s, draw, sum) : whole(draw * sum);
        *logprob = (logits[token] - top) / s.scale - float(std::log(sum));
        return token;
    }

  private:
    static constexpr int BLOCK = 16 * VL;
    int vocab;
    Memory<float> weights;
    std::vector<double> blocks;
    std::vector<int> order;

    // exp((logit - top) / scale) to `weights`, sums of blocks to `blocks`; their sum.
    double weigh(const float* logits, float top, float scale) {
        double sum = 0;
        for (int b = 0; b * BLOCK < vocab; b++) {
            vf part = {};  // at most 16 terms a lane, so that fp32 is as exact as the terms
            for (int i = b * BLOCK; i < std::min((b + 1) * BLOCK, vocab); i += VL) {
                const vf e = exponential((load(logits + i) - top) / scale);
                store(weights.get() + i, e);
                part += e;
            }
            blocks[b] = 0;
            for (int i = 0; i < VL; i++) blocks[b] += part[i];
            sum += blocks[b];
        }
        return sum;
    }

    // The first token whose cumulative weight is above target.
    int whole(double target) const {
        size_t b = 0;
        double below = 0;
        for (; b + 1 < blocks.size() && below + blocks[b] <= target; b++) below += blocks[b];
        int last = 0;
        for (int i = int(b) * BLOCK; i < vocab; i++) {
            if (weights[i] <= 0) continue;
            if ((below += weights[i]) > target) return i;
            last = i;
        }
        return last;
    }

    // The same among the top_k likeliest, and of those the fewest that hold top_p.
    int restricted(const float* logits, const Settings& s, double draw, double sum) {
        const auto less = [&](int a, int b) { return logits[a] != logits[b] ? logits[a] < logits[b] : a > b; };
        const int limit = s.top_k ? std::min(s.top_k, vocab) : vocab;
        order.resize(vocab);
        for (int i = 0; i < vocab; i++) order[i] = i;
        if (limit < vocab) {
            std::nth_element(order.begin(), order.begin() + limit - 1, order.end(), [&](int a, int b) { return less(b, a); });
            order.resize(limit);
            sum = 0;
            for (int i : order) sum += weights[i];
        }
        int kept = limit;
        if (s.top_p < 1) {
            std::make_heap(order.begin(), order.end(), less);
            double before = 0;
            for (kept = 0; kept < limit && before < s.top_p * sum; kept++) {
                std::pop_heap(order.begin(), order.end() - kept, less);
                before += weights[order[limit - 1 - kept]];
            }
        }
        order.erase(order.begin(), order.end() - kept);
        std::sort(order.begin(), order.end());
        double all = 0, below = 0;
        for (int i : order) all += weights[i];
        for (int i : order)
            if ((below += weights[i]) > draw * all) return i;
        return order.back();
    }
};

// ---- scheduling ---------------------------------------------------------------------------------------------------------------------

// Whether the text of a sample's tokens now holds a stop string: 1 yes, 0 no, -1 give up.
typedef int32_t (*StopCheck)(int64_t sample, const int32_t* tokens, int32_t count);

struct Batch {  // arrays of the caller; prompt i is prompts[prompt_at[i]..prompt_at[i + 1]], likewise the others
    int32_t requests, threads, end_count;
    const int32_t* prompts;
    const int64_t* prompt_at;
    const uint64_t* streams;
    const int64_t* stream_at;
    const int32_t* forced;
    const int64_t* forced_at;
    const Settings* settings;
    const int32_t* end;
    const int64_t* output_at;  // one entry a sample
    int32_t* tokens;
    float* logprobs;
    int32_t *lengths, *reasons;
    StopCheck stopped;
    const int32_t* cancel;
};
enum { LENGTH, END, STOP };          // reasons
enum { DONE, CANCELED, NO_MEMORY };  // results of a batch

struct Canceled {};

struct Piece {  // some samples of a request, taken by one thread
    int request;
    int64_t first, last;
};

struct Shared {
    const Model& model;
    const Batch& batch;
    std::vector<Piece> pieces;
    std::atomic<size_t> next{0};
    std::atomic<int> result{DONE};
    bool running() const { return result.load(std::memory_order_relaxed) == DONE && !__atomic_load_n(batch.cancel, __ATOMIC_RELAXED); }
};

class Worker {
  public:
    explicit Worker(Shared& shared)
        : shared(shared), b(shared.batch), model(shared.model), network(model), sampler(model.c.vocab), pages{model, {}, {}} {}

    void run() {
        while (shared.running()) {
            refill();
            if (live.empty()) return;
            rows.clear();
            for (auto& slot : live) {
                const int length = b.lengths[slot->sample];
                if ((length - 1) % PAGE == 0) slot->tail.push_back(pages.take());
                const int seen = slot->prompt->length;
                rows.push_back({b.tokens[b.output_at[slot->sample] + length - 1], seen + length - 1, &slot->prompt->pages, &slot->tail, seen, length});
            }
            network.run(rows);
            network.score(0, int(rows.size()));
            size_t kept = 0;
            for (size_t i = 0; i < live.size(); i++) {
                if (advance(*live[i], network.logits[int(i)])) std::swap(live[kept++], live[i]);
                else release(*live[i]);
            }
            live.resize(kept);
        }
    }

  private:
    struct Prompt {  // read once, shared by the samples of a piece
        std::vector<uint32_t*> pages;
        Memory<float> logits;
        int length = 0, users = 0;
    };
    struct Slot {
        int64_t sample;
        int request;
        std::shared_ptr<Prompt> prompt;
        std::vector<uint32_t*> tail;
    };

    Shared& shared;
    const Batch& b;
    const Model& model;
    Network network;
    Sampler sampler;
    Pages pages;
    std::vector<std::unique_ptr<Slot>> live;
    std::shared_ptr<Prompt> prompt;  // of the piece that new slots are filled from
    Piece piece{0, 0, 0};
    std::vector<Row> rows;

    void refill() {
        while (live.size() < SLOTS && shared.running()) {
            if (piece.first == piece.last) {
                const size_t index = shared.next++;
                leave(prompt);
                prompt = nullptr;
                if (index >= shared.pieces.size()) return;
                piece = shared.pieces[index];
                prompt = read(piece.request);
            }
            auto slot = std::make_unique<Slot>(Slot{piece.first++, piece.request, prompt, {}});
            prompt->users++;
            if (advance(*slot, prompt->logits.get())) live.push_back(std::move(slot));
            else release(*slot);
        }
    }

    std::shared_ptr<Prompt> read(int request) {
        auto made = std::make_shared<Prompt>();
        made->users = 1;
        const int32_t* tokens = b.prompts + b.prompt_at[request];
        const int length = int(b.prompt_at[request + 1] - b.prompt_at[request]);
        made->length = length;
        for (int t = 0; t < length; t += PAGE) made->pages.push_back(pages.take());
        for (int from = 0; from < length; from += PREFILL) {
            if (!shared.running()) throw Canceled();
            rows.clear();
            for (int t = from; t < std::min(from + PREFILL, length); t++) rows.push_back({tokens[t], t, &made->pages, nullptr, t + 1, 0});
            network.run(rows);
        }
        network.score(int(rows.size()) - 1, 1);
        made->logits = zeros<float>(up(model.c.vocab, VL));
        std::memcpy(made->logits.get(), network.logits[0], up(model.c.vocab, VL) * sizeof(float));
        return made;
    }

    void leave(const std::shared_ptr<Prompt>& used) {
        if (used && --used->users == 0) pages.give(used->pages);
    }
    void release(Slot& slot) {
        pages.give(slot.tail);
        leave(slot.prompt);
    }

    // Append a token to a slot; whether it goes on.
    bool advance(Slot& slot, const float* logits) {
        const Settings& s = b.settings[slot.request];
        int32_t& length = b.lengths[slot.sample];
        int32_t* tokens = b.tokens + b.output_at[slot.sample];
        const int32_t* forced = b.forced + b.forced_at[slot.request];
        const int forced_count = int(std::min<int64_t>(s.max_tokens, b.forced_at[slot.request + 1] - b.forced_at[slot.request]));
        const int wanted = length < forced_count ? forced[length] : -1;
        const double draw = uniform(b.streams[slot.sample], uint64_t(length));
        tokens[length] = sampler.choose(logits, s, draw, wanted, b.logprobs + b.output_at[slot.sample] + length);
        const int32_t token = tokens[length++];
        int32_t& reason = b.reasons[slot.sample];
        if (length >= forced_count && std::find(b.end, b.end + b.end_count, token) != b.end + b.end_count) return reason = END, false;
        if (s.stops) {
            const int32_t verdict = b.stopped(slot.sample, tokens, length);
            if (verdict < 0) shared.result = CANCELED;
            if (verdict > 0) return reason = STOP, false;
        }
        return length < s.max_tokens;
    }
};

// Samples of a request stay together on one thread unless that would leave other threads idle.
std::vector<Piece> cut(const Batch& b) {
    std::vector<Piece> pieces;
    const int64_t samples = b.stream_at[b.requests];
    const int64_t most = b.threads == 1 ? std::max<int64_t>(samples, 1) : std::max<int64_t>(SLOTS / 2, samples / (b.threads * 8));
    for (int r = 0; r < b.requests; r++)
        for (int64_t from = b.stream_at[r]; from < b.stream_at[r + 1]; from += most) pieces.push_back({r, from, std::min(from + most, b.stream_at[r + 1])});
    return pieces;
}

void work(Shared& shared) {
    try {
        Worker(shared).run();
    } catch (const Canceled&) {  // the caller knows
    } catch (...) {              // only memory can run out
        shared.result = NO_MEMORY;
    }
}

}  // namespace

extern "C" {

void* autotelic_model(const Config* config, const float* const* tensors) {
    try {
        return new Model(*config, tensors);
    } catch (...) {
        return nullptr;
    }
}

void autotelic_free(void* model) { delete static_cast<Model*>(model); }

// A hash of memory, to notice that weights have changed.
uint64_t autotelic_hash(const unsigned char* bytes, uint64_t count, uint64_t seed) {
    uint64_t lanes[8], word;
    for (int i = 0; i < 8; i++) lanes[i] = seed + i;
    uint64_t at = 0;
    for (; at + 64 <= count; at += 64)
        for (int i = 0; i < 8; i++) {
            std::memcpy(&word, bytes + at + 8 * i, 8);
            lanes[i] = (lanes[i] ^ word) * 0x9E3779B97F4A7C15ull;
            lanes[i] ^= lanes[i] >> 32;
        }
    for (; at < count; at++) lanes[at % 8] = (lanes[at % 8] ^ bytes[at]) * 0xBF58476D1CE4E5B9ull;
    uint64_t hash = count;
    for (uint64_t lane : lanes) hash = (hash ^ lane ^ (lane >> 29)) * 0x94D049BB133111EBull;
    return hash ^ (hash >> 32);
}

int autotelic_generate(const void* model, const Batch* batch) {
    try {
        Shared shared{*static_cast<const Model*>(model), *batch, cut(*batch)};
        std::vector<std::thread> others;
        try {
            for (int i = 1; i < std::min<int>(batch->threads, int(shared.pieces.size())); i++) others.emplace_back(work, std::ref(shared));
        } catch (...) {  // the system grants no more threads: fewer do the same work
        }
        work(shared);
        for (auto& other : others) other.join();
        return shared.result;
    } catch (...) {
        return NO_MEMORY;
    }
}
}
