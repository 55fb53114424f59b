// Continues prompts with a Llama- or Qwen-type decoder on CPU threads: weights in packed panels, paged key-value cache, prompt read
// once for all samples of a request and where it begins as another does not read again, slots refilled as sequences end. Not a trainer,
// not a loader; it knows token ids and weights only.
//
// Every row of every product is summed in one fixed order, whatever the number of rows: results do not depend on batch or threads.
// Vectors are those of vectors.h, so the same source builds for AVX-512, AVX2, plain x86-64 and Arm.

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
#include <numeric>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "vectors.h"

#define INLINE __attribute__((always_inline))

namespace {

constexpr int WIDE = 2 * VL;      // outputs of one panel
constexpr int PAGE = 16;          // tokens of one cache page
constexpr int SLOTS = 16;         // sequences that step together on one thread
constexpr int PREFILL = 64;       // prompt tokens read together
constexpr int PAD = 2 * WIDE;     // floats after a row that vector stores may touch, and that keep rows off one cache set
constexpr int SHARING = VL == 16 ? 4 : 2;  // query heads that read a key together: as many as the registers hold
constexpr float INF = std::numeric_limits<float>::infinity();

typedef uint32_t word_any __attribute__((may_alias));
typedef uint16_t half_any __attribute__((may_alias));  // half of a 32-bit word

// f with min(n, N) as a constant of the compiler's.
template <int N, class F>
inline void upto(int n, F&& f) {
    if constexpr (N > 1)
        if (n < N) return upto<N - 1>(n, f);
    f(std::integral_constant<int, N>());
}


// ---- memory -------------------------------------------------------------------------------------------------------------------------

struct Free {
    void operator()(void* p) const { std::free(p); }
};
constexpr size_t HUGE_PAGE = size_t(1) << 21;
template <class T>
using Memory = std::unique_ptr<T[], Free>;

template <class T>
Memory<T> zeros(size_t count) {
    const size_t unit = count * sizeof(T) < HUGE_PAGE - 64 ? 64 : HUGE_PAGE;
    const size_t bytes = (count * sizeof(T) / unit + 1) * unit;
    void* p = std::aligned_alloc(unit, bytes);
    if (!p) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (unit == HUGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE);  // weights are read from end to end: fewer address translations
#endif
    std::memset(p, 0, bytes);
    return Memory<T>(static_cast<T*>(p));
}

class Arena {  // memory that is given back all at once, in pieces large enough for huge pages
  public:
    template <class T>
    T* take(size_t count) {
        const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
        if (bytes > left) {
            left = std::max(bytes, HUGE_PAGE - 64);
            chunks.push_back(zeros<char>(left));
            next = chunks.back().get();
        }
        T* taken = reinterpret_cast<T*>(next);
        next += bytes, left -= bytes;
        return taken;
    }

  private:
    std::vector<Memory<char>> chunks;
    char* next = nullptr;
    size_t left = 0;
};

struct Matrix {  // rows of floats, each followed by padding
    Memory<float> data;
    long stride = 0;
    void shape(int rows, int columns) { stride = up(columns, VL) + PAD, data = zeros<float>(rows * stride); }
    float* operator[](int row) const { return data.get() + row * stride; }
};

// ---- matrix products ----------------------------------------------------------------------------------------------------------------

// Floats to bf16, two in a word; an odd last one is followed by 0. Reads and writes whole vectors.
inline void round(const float* from, int count, uint32_t* pairs) {
    half_any* to = reinterpret_cast<half_any*>(pairs);
    for (int i = 0; i < count; i += VL) store(to + i, load(from + i));
    if (count % 2) to[count] = 0;
}

struct Linear {  // y = x W^T + b; panels of WIDE outputs, inputs outermost; in bf16, two inputs share a 32-bit word
    int inputs = 0, panels = 0;
    float *full = nullptr, *bias = nullptr;
    uint32_t* half = nullptr;

    // Output j of the panels has its weights at row(j) and its bias at offset(j); either may be null.
    void pack(Arena& arena, int in, int outputs, bool to_half, const std::function<const float*(int)>& row,
              const std::function<const float*(int)>& offset) {
        inputs = in, panels = (outputs + WIDE - 1) / WIDE;
        const int pairs = (in + 1) / 2;
        bias = arena.take<float>(panels * WIDE);
        if (to_half) half = arena.take<uint32_t>(size_t(panels) * pairs * WIDE);
        else full = arena.take<float>(size_t(panels) * in * WIDE);
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
        const float* bias = w.bias + p * WIDE;
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
    Arena arena;
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
    void plain(Linear& w, int in, int outputs, const float* weights, const float* bias) {
        w.pack(arena, in, outputs, c.half, [=](int j) { return weights + size_t(j) * in; }, [=](int j) { return bias ? bias + j : nullptr; });
    }
    void fill(Layer& layer, const float* const* t) {
        layer.norm1 = padded(t[NORM1], c.hidden), layer.norm2 = padded(t[NORM2], c.hidden);
        layer.qnorm = padded(t[QNORM], c.head_dim), layer.knorm = padded(t[KNORM], c.head_dim);
        const auto part = [=](int j, int q, int k, int v, size_t width) -> const float* {  // queries, keys, values in one product
            const float* base = j < inner ? t[q] : j < inner + kv ? t[k] : t[v];
            return base ? base + (j < inner ? j : j < inner + kv ? j - inner : j - inner - kv) * width : nullptr;
        };
        layer.qkv.pack(arena, c.hidden, inner + 2 * kv, c.half, [=](int j) { return part(j, Q, K, V, c.hidden); },
                       [=](int j) { return part(j, QB, KB, VB, 1); });
        plain(layer.out, inner, c.hidden, t[O], t[OB]);
        const auto gated = [=](int j, int gate, int lift, size_t width) -> const float* {  // a vector of gates, then one of ups
            const int output = j / WIDE * VL + j % VL;
            const float* base = j % WIDE < VL ? t[gate] : t[lift];
            return base && output < c.intermediate ? base + output * width : nullptr;
        };
        layer.gate.pack(arena, c.hidden, 2 * up(c.intermediate, VL), c.half, [=](int j) { return gated(j, GATE, UP, c.hidden); },
                        [=](int j) { return gated(j, GATEB, UPB, 1); });
        plain(layer.down, c.intermediate, c.hidden, t[DOWN], t[DOWNB]);
    }
    int words(int floats) const { return c.half ? (floats + 1) / 2 : floats; }  // 32-bit words that so many numbers take in the cache
    size_t keys() const { return size_t(PAGE) * c.kv_heads * words(c.head_dim); }
    size_t values() const { return size_t(words(PAGE)) * c.kv_heads * head_pad; }
    size_t part() const { return keys() + values(); }  // words of one layer in a page
    size_t together() const { return std::max(size_t(1), HUGE_PAGE / (4 * part() * c.layers)); }  // pages of one slab
    size_t stride() const { return together() * part(); }  // words from one layer of a page to the next
};

// A page holds for each layer: keys (kv_heads, head_dim, PAGE), then values (kv_heads, PAGE, head_pad). In bf16, a word holds the numbers of
// two neighbors: of two dimensions of a key, of two tokens' values. In a slab, the parts of one layer lie side by side for all its pages:
// were whole pages side by side, those parts would compete for few sets of the cache.
struct Pages {
    const Model& model;
    std::vector<Memory<uint32_t>> slabs;
    std::vector<uint32_t*> unused;
    std::unordered_map<uint32_t*, int> holders;  // beside the first, of pages that several prompts begin with
    uint32_t* take() {
        if (unused.empty()) {
            slabs.push_back(zeros<uint32_t>(model.stride() * model.c.layers));
            for (size_t i = model.together(); i--;) unused.push_back(slabs.back().get() + i * model.part());
        }
        uint32_t* page = unused.back();
        unused.pop_back();
        return page;
    }
    uint32_t* share(uint32_t* page) { return holders[page]++, page; }
    void give(std::vector<uint32_t*>& pages) {
        for (uint32_t* page : pages) {
            const auto held = holders.empty() ? holders.end() : holders.find(page);
            if (held == holders.end()) unused.push_back(page);
            else if (--held->second == 0) holders.erase(held);
        }
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
        if (c.half) halves = zeros<uint32_t>(size_t(PREFILL) * widest), queries = zeros<uint32_t>(SHARING * m.inner + VL);
        const int group = c.heads / c.kv_heads;
        for (int h = 0; h < c.heads; h += chunks.back().count) chunks.push_back({h, std::min(SHARING, group - h % group), h / group});
        head_copy = zeros<float>(m.head_pad), mixture = zeros<float>(SHARING * c.heads * m.head_pad), sums.resize(SHARING * c.heads);
    }

    // Run rows through all layers, writing their keys and values to the cache; x then holds the residual stream.
    void run(const std::vector<Row>& rows) {
        const Config& c = m.c;
        const int count = int(rows.size());
        plan(rows);
        for (int r = 0; r < count; r++) std::memcpy(x[r], m.embed + size_t(rows[r].token) * c.hidden, c.hidden * sizeof(float));
        for (int l = 0; l < c.layers; l++) {
            const Layer& layer = m.layers[l];
            norm(count, layer.norm1.get());
            apply<Then::STORE>(layer.qkv, count, normed, qkv);
            for (int r = 0; r < count; r++) remember(layer, l, rows[r], rows[std::min(r + 1, count - 1)], qkv[r]);
            block = blocks.data();
            for (const Bundle& bundle : bundles) attend(bundle, rows.data() + bundle.first, l);
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
    Memory<float> head_copy, mixture;
    std::vector<float> scores, sums;
    long widest;

    void norm(int count, const float* weight) {
        for (int r = 0; r < count; r++) rms_norm(x[r], weight, m.c.hidden, m.c.eps, normed[r]);
    }

    template <Then THEN>
    void apply(const Linear& w, int count, const Matrix& in, const Matrix& out) {
        if (!m.c.half) return product<THEN>(w.full, w, w.inputs, count, in.data.get(), in.stride, out);
        const int pairs = (w.inputs + 1) / 2;
        for (int r = 0; r < count; r++) round(in[r], w.inputs, halves.get() + r * widest);
        product<THEN>(w.half, w, pairs, count, halves.get(), widest, out);
    }

    // Query-key norm and rotation in place, then key and value to their place in the cache; fetches the place of the next row.
    void remember(const Layer& layer, int l, const Row& row, const Row& next, float* q) {
        const Config& c = m.c;
        const float *cos = m.cos + size_t(row.position) * c.head_dim, *sin = m.sin + size_t(row.position) * c.head_dim;
        const float scale = 1.0f / std::sqrt(float(c.head_dim));
        for (int h = 0; h < c.heads + c.kv_heads; h++) {
            const float* weight = h < c.heads ? layer.qnorm.get() : layer.knorm.get();
            rotate(q + h * c.head_dim, weight, cos, sin, h < c.heads ? scale : 1.0f);
        }
        const float *key = q + m.inner, *value = key + m.kv;
        uint32_t *page = row.page() + l * m.stride(), *after = next.page() + l * m.stride();
        for (int h = 0; h < c.kv_heads; h++) {
            const size_t at = size_t(h) * m.words(c.head_dim) * PAGE, then = m.keys() + size_t(h) * m.words(PAGE) * m.head_pad;
            keep_key(key + h * c.head_dim, page + at + row.lane(), after + at + next.lane());
            keep_value(value + h * c.head_dim, row.lane(), page + then, after + then + next.lane() / (c.half ? 2 : 1) * m.head_pad);
        }
    }

    void rotate(float* head, const float* weight, const float* cos, const float* sin, float scale) {
        const int size = m.c.head_dim, half = size / 2;
        if (weight) {
            std::memcpy(head_copy.get(), head, size * sizeof(float));
            rms_norm(head_copy.get(), weight, size, m.c.eps, head_copy.get());
            std::memcpy(head, head_copy.get(), size * sizeof(float));
        }
        int d = 0;
        for (; d + VL <= half; d += VL) {
            const vf first = load(head + d) * scale, second = load(head + d + half) * scale;
            store(head + d, first * load(cos + d) - second * load(sin + d));
            store(head + d + half, second * load(cos + d) + first * load(sin + d));
        }
        for (; d < half; d++) {
            const float first = head[d] * scale, second = head[d + half] * scale;
            head[d] = first * cos[d] - second * sin[d];
            head[d + half] = second * cos[d] + first * sin[d];
        }
    }

    void keep_key(const float* key, uint32_t* to, const uint32_t* next) {
        const int count = m.words(m.c.head_dim);
        const word_any* words = reinterpret_cast<const word_any*>(key);
        if (m.c.half) round(key, m.c.head_dim, queries.get()), words = queries.get();
        for (int d = 0; d < count; d++) __builtin_prefetch(next + d * PAGE, 1), to[d * PAGE] = words[d];
    }

    void keep_value(const float* value, int lane, uint32_t* to, const uint32_t* next) const {
        const int count = m.c.head_dim;
        for (int d = 0; d < count; d += VL) __builtin_prefetch(next + d, 1);
        if (!m.c.half) {
            std::memcpy(to + lane * m.head_pad, value, count * sizeof(float));
            return;
        }
        to += lane / 2 * m.head_pad;
        for (int d = 0; d < count; d += VL) {  // the first of a pair clears what the page held before
            const vu bits = bf16(load(value + d));
            *reinterpret_cast<vu_any*>(to + d) = lane % 2 ? load(to + d) | bits << 16 : bits;
        }
    }

    // Rows that see the same pages of a prompt and read them together; then each row reads its tail.
    struct Bundle {
        int first, rows, pages, width;  // pages of the prompt; pages of the prompt and of the longest tail
    };
    struct Block {  // keys or values of one page in layer 0, and how many tokens of it the longest of its readers sees
        const uint32_t* words;
        int count;
    };

    // Bundles of rows, and all that they will read of the cache in the order they do: the keys of a bundle, then the values.
    void plan(const std::vector<Row>& rows) {
        blocks.clear(), bundles.clear();
        const int most = std::max(1, SHARING / (m.c.heads / m.c.kv_heads));
        for (int first = 0, after; first < int(rows.size()); first = after) {
            const Row& row = rows[first];
            const int pages = count(row.prompt_length);
            int width = 0;
            for (after = first; after < int(rows.size()) && after - first < most; after++) {
                if (rows[after].prompt != row.prompt || count(rows[after].prompt_length) != pages) break;
                width = std::max(width, pages + count(rows[after].tail_length));
            }
            bundles.push_back({first, after - first, pages, width});
            for (size_t part : {size_t(0), m.keys()}) {
                add(*row.prompt, rows[after - 1].prompt_length, part);  // rows are in the order of their positions
                for (int r = first; r < after; r++)
                    if (rows[r].tail_length) add(*rows[r].tail, rows[r].tail_length, part);
            }
        }
        blocks.push_back(blocks.back());
    }
    static int count(int tokens) { return (tokens + PAGE - 1) / PAGE; }
    void add(const std::vector<uint32_t*>& pages, int tokens, size_t part) {
        for (int t = 0; t < tokens; t += PAGE) blocks.push_back({pages[t / PAGE] + part, std::min(tokens - t, PAGE)});
    }

    // Every block of keys (or of values) that the rows of a bundle read: at(words, tokens, page, first reader, number of readers, way to the next).
    template <class At>
    void visit(const Bundle& u, const Row* rows, int l, At&& at) {
        const auto next = [&](int page, int first, int readers) {
            at(block->words + l * m.stride(), block->count, page, first, readers, block[1].words - block->words);
            block++;
        };
        for (int i = 0; i < u.pages; i++) next(i, 0, u.rows);
        for (int r = 0; r < u.rows; r++)
            for (int i = 0; i < count(rows[r].tail_length); i++) next(u.pages + i, r, 1);
    }

    struct Chunk {  // query heads that read a key head together
        int first, count, key;
    };
    std::vector<Chunk> chunks;
    std::vector<Bundle> bundles;
    std::vector<Block> blocks;
    const Block* block = nullptr;  // the next to be read

    void attend(const Bundle& u, const Row* rows, int l) {
        const Config& c = m.c;
        if (!c.half) return attend<float>(u, rows, l, qkv[u.first], qkv.stride, c.head_dim);
        const int words = m.words(c.head_dim);
        for (int r = 0; r < u.rows; r++)
            for (int h = 0; h < c.heads; h++) round(qkv[u.first + r] + h * c.head_dim, c.head_dim, queries.get() + (r * c.heads + h) * words);
        attend<uint32_t>(u, rows, l, queries.get(), c.heads * words, words);
    }

    // query: of the first row; size: its words in one head.
    template <class T>
    void attend(const Bundle& u, const Row* rows, int l, const T* query, long stride, int size) {
        const Config& c = m.c;
        const int span = u.width * PAGE, steps = m.words(PAGE);
        const size_t needed = size_t(u.rows) * c.heads * span + PAD;
        if (scores.size() < needed) scores.resize(2 * needed);
        // f(key head, n, at, from): what n pairs of a reader and a head that share a key attend to; at: their places, from: their queries.
        const auto each = [&](int first, int readers, auto&& f) {
            for (const Chunk& chunk : chunks) {
                if (readers * chunk.count == 1) {  // what is most frequent, without the detour
                    const int place = first * c.heads + chunk.first;
                    const T* one = query + first * stride + chunk.first * size;
                    f(chunk.key, std::integral_constant<int, 1>(), &place, &one);
                    continue;
                }
                int at[SHARING], n = 0;
                const T* from[SHARING];
                for (int r = first; r < first + readers; r++)
                    for (int h = chunk.first; h < chunk.first + chunk.count; h++, n++) {
                        at[n] = r * c.heads + h;
                        from[n] = query + r * stride + h * size;
                    }
                upto<SHARING>(n, [&](auto pairs) { f(chunk.key, pairs, at, from); });
            }
        };
        visit(u, rows, l, [&](const uint32_t* words, int, int page, int first, int readers, long ahead) {
            each(first, readers, [&](int key, auto n, const int* at, const T* const* from) INLINE {
                float* to[n];
                for (int i = 0; i < n; i++) to[i] = scores.data() + at[i] * span + page * PAGE;
                compare<n>(from, reinterpret_cast<const T*>(words) + key * size * PAGE, size, to, ahead);
            });
        });
        for (int r = 0; r < u.rows; r++) {
            const int tail = count(rows[r].tail_length);
            for (int h = 0; h < c.heads; h++) {
                float* row = scores.data() + (r * c.heads + h) * span;
                if (u.pages) hide(row + (u.pages - 1) * PAGE, rows[r].prompt_length - (u.pages - 1) * PAGE);
                if (tail) hide(row + (u.pages + tail - 1) * PAGE, rows[r].tail_length - (tail - 1) * PAGE);
                sums[r * c.heads + h] = weigh<T>(row, (u.pages + tail) * PAGE);
            }
        }
        std::memset(mixture.get(), 0, size_t(u.rows) * c.heads * m.head_pad * sizeof(float));
        visit(u, rows, l, [&](const uint32_t* words, int tokens, int page, int first, int readers, long ahead) {
            each(first, readers, [&](int key, auto n, const int* at, const T* const*) INLINE {
                const T* weights[n];
                float* to[n];
                for (int i = 0; i < n; i++) {
                    weights[i] = reinterpret_cast<const T*>(scores.data() + at[i] * span) + page * steps;
                    to[i] = mixture.get() + at[i] * m.head_pad;
                }
                const T* values = reinterpret_cast<const T*>(words) + key * steps * m.head_pad;
                for (int d = 0; d < m.head_pad; d += 4 * VL)
                    upto<4>((m.head_pad - d) / VL, [&](auto wide) { gather<n, wide>(weights, values + d, m.words(tokens), to, d, ahead); });
            });
        });
        for (int r = 0; r < u.rows; r++)
            for (int h = 0; h < c.heads; h++) {
                const int at = r * c.heads + h;
                float* out = mixed[u.first + r] + h * c.head_dim;
                for (int d = 0; d < m.head_pad; d += VL) store(out + d, load(mixture.get() + at * m.head_pad + d) * (1.0f / sums[at]));
            }
    }

    // Products of N queries with the keys of one page; fetches the next. Sums are split in the same way for all N.
    template <int N, class T>
    INLINE static void compare(const T* const* queries, const T* keys, int size, float* const* to, long ahead) {
        constexpr int PARTS = PAGE / VL, CHAINS = 4 / PARTS;  // independent sums, to hide latency
        vf sum[CHAINS][N][PARTS] = {};
        const T* query[N];
        for (int i = 0; i < N; i++) query[i] = queries[i];
        const auto add = [&](int chain, int d) {
            for (int j = 0; j < PARTS; j++) {
                const auto part = load(keys + d * PAGE + j * VL);
                __builtin_prefetch(keys + d * PAGE + j * VL + ahead);
                for (int i = 0; i < N; i++) sum[chain][i][j] = fused(sum[chain][i][j], query[i][d], part);
            }
        };
        int d = 0;
        for (; d + CHAINS <= size; d += CHAINS)
            for (int chain = 0; chain < CHAINS; chain++) add(chain, d + chain);
        for (; d < size; d++) add(0, d);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < PARTS; j++) {
                for (int chain = 1; chain < CHAINS; chain++) sum[0][i][j] += sum[chain][i][j];
                store(to[i] + j * VL, sum[0][i][j]);
            }
    }

    static void hide(float* values, int count) {  // -inf past `count`
        for (int t = 0; t < PAGE; t += VL) store(values + t, pick(lanes() + t < count, load(values + t), fill(-INF)));
    }

    // Scores to exp(score - max), in place, in bf16 two to a word; their sum.
    template <class T>
    static float weigh(float* values, int count) {
        vf most = fill(-INF), sum = {};
        for (int t = 0; t < count; t += VL) most = largest(load(values + t), most);
        const float top = peak(most);
        for (int t = 0; t < count; t += VL) {
            const vf e = exponential(load(values + t) - top);
            sum += e;
            if (std::is_same<T, float>::value) store(values + t, e);
            else store(reinterpret_cast<half_any*>(values) + t, e);
        }
        return total(sum);
    }

    // Add W vectors of the weighted values of one page, from dimension d on, to N outputs; fetches the next page. steps: words of weights;
    // past the last token they are 0.
    template <int N, int W, class T>
    INLINE void gather(const T* const* weights, const T* values, int steps, float* const* to, int d, long ahead) const {
        constexpr int CHAINS = W < 4 ? 2 : 1;
        const long width = m.head_pad;
        vf sum[CHAINS][N][W] = {};
        const T* weight[N];
        for (int i = 0; i < N; i++) weight[i] = weights[i];
        const auto add = [&](int chain, int t, const T* value) {
            for (int j = 0; j < W; j++) {
                const auto part = load(value + j * VL);
                __builtin_prefetch(value + j * VL + ahead);
                for (int i = 0; i < N; i++) sum[chain][i][j] = fused(sum[chain][i][j], weight[i][t], part);
            }
        };
        int t = 0;
        for (; t + CHAINS <= steps; t += CHAINS)
            for (int chain = 0; chain < CHAINS; chain++, values += width) add(chain, t + chain, values);
        for (; t < steps; t++, values += width) add(0, t, values);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < W; j++) {
                for (int chain = 1; chain < CHAINS; chain++) sum[0][i][j] += sum[chain][i][j];
                store(to[i] + d + j * VL, load(to[i] + d + j * VL) + sum[0][i][j]);
            }
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
    bool broken = false;  // whether logits were not finite, of which nothing can be sampled

    explicit Sampler(int vocab) : vocab(vocab), weights(zeros<float>(up(vocab, VL))), blocks((vocab + BLOCK - 1) / BLOCK) {}

    // The next token (`forced` where not negative) from logits padded with -inf, and its log-probability under the whole softmax.
    int choose(const float* logits, const Settings& s, double draw, int forced, float* logprob) {
        vf most = fill(-INF);
        for (int i = 0; i < vocab; i += VL) most = largest(most, load(logits + i));
        const float top = peak(most);
        const double sum = weigh(logits, top, s.scale);
        int token = forced;
        broken = broken || !std::isfinite(sum);
        if (broken) return 0;
        if (token < 0 && s.greedy) token = int(std::find(logits, logits + vocab, top) - logits);
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
enum { DONE, CANCELED, NO_MEMORY, NOT_FINITE };  // results of a batch

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
        const int32_t* tokens;
        int length, users;
        std::vector<uint32_t*> pages;
        Memory<float> logits;
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
                const std::shared_ptr<Prompt> before = std::move(prompt);
                if (index < shared.pieces.size()) piece = shared.pieces[index], prompt = read(piece.request, before.get());
                leave(before);
                if (!prompt) return;
            }
            auto slot = std::make_unique<Slot>(Slot{piece.first++, piece.request, prompt, {}});
            prompt->users++;
            if (advance(*slot, prompt->logits.get())) live.push_back(std::move(slot));
            else release(*slot);
        }
    }

    // Whole pages of the prompt before that hold what this one begins with are taken over; its last token is always read, for its logits.
    std::shared_ptr<Prompt> read(int request, const Prompt* before) {
        const int32_t* tokens = b.prompts + b.prompt_at[request];
        const int length = int(b.prompt_at[request + 1] - b.prompt_at[request]);
        auto made = std::make_shared<Prompt>(Prompt{tokens, length, 1, {}, nullptr});
        const int most = before ? std::min(before->length, length - 1) : 0;
        const int same = most > 0 ? int(std::mismatch(tokens, tokens + most, before->tokens).first - tokens) : 0;
        const int start = same / PAGE * PAGE;
        for (int t = 0; t < length; t += PAGE) made->pages.push_back(t < start ? pages.share(before->pages[t / PAGE]) : pages.take());
        for (int from = start; from < length; from += PREFILL) {
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
        if (sampler.broken) shared.result = NOT_FINITE;
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

// Samples of a request stay together on one thread unless that would leave other threads idle. In the order of their prompts, so that those which
// begin alike follow one another.
std::vector<Piece> cut(const Batch& b) {
    std::vector<Piece> pieces;
    std::vector<int> order(b.requests);
    std::iota(order.begin(), order.end(), 0);
    const auto first = [&](int r) { return b.prompts + b.prompt_at[r]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](int i, int j) { return std::lexicographical_compare(first(i), first(i + 1), first(j), first(j + 1)); });
    const int64_t samples = b.stream_at[b.requests];
    const int64_t most = b.threads == 1 ? std::max<int64_t>(samples, 1) : std::max<int64_t>(SLOTS / 2, samples / (b.threads * 8));
    for (int r : order)
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
