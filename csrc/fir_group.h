/* A group of outputs of a row, by vectors of x86-64. Included by fir_x86.c once for each variant,
 * with VARIANT, its suffix, and TARGET, the attribute of its functions; it defines
 *     group_VARIANT   vectors * elements in a vector outputs; `vectors` is a constant, at most 5
 * out of
 *     vector_VARIANT  the type: two samples, or one sum, in each of its 32-bit elements
 *     zero, load      nothing; unaligned samples
 *     madd            add the products with a pair of taps to the sums
 *     finish          sums of low and of high parts, to rounded outputs
 *     store           weave outputs of even and of odd number, clip and write them
 */
#define NAMED_(name, variant) name##_##variant
#define NAMED(name, variant) NAMED_(name, variant)
#define V(name) NAMED(name, VARIANT)

TARGET static inline __attribute__((always_inline)) void
V(group)(int vectors, const rm_fir_row *row, const rm_fir_pair *pair, const int16_t *x,
         int16_t *out)
{
    enum { SAMPLES = sizeof(V(vector)) / sizeof(int16_t) };
    V(vector) even_low[5], even_high[5], odd_low[5], odd_high[5];
    const rm_fir_pair *small = pair + row->small, *end = pair + row->count;
    for (int k = 0; k < vectors; k++)
        even_low[k] = even_high[k] = odd_low[k] = odd_high[k] = V(zero)();
    for (; pair < small; pair++) {
        for (int k = 0; k < vectors; k++) {
            V(vector) samples = V(load)(x + pair->offset + SAMPLES * k);
            even_low[k] = V(madd)(even_low[k], samples, pair->even_low);
            odd_low[k] = V(madd)(odd_low[k], samples, pair->odd_low);
        }
    }
    for (; pair < end; pair++) {
        for (int k = 0; k < vectors; k++) {
            V(vector) samples = V(load)(x + pair->offset + SAMPLES * k);
            even_low[k] = V(madd)(even_low[k], samples, pair->even_low);
            odd_low[k] = V(madd)(odd_low[k], samples, pair->odd_low);
            even_high[k] = V(madd)(even_high[k], samples, pair->even_high);
            odd_high[k] = V(madd)(odd_high[k], samples, pair->odd_high);
        }
    }
    __m128i split = _mm_cvtsi32_si128(row->split);
    for (int k = 0; k < vectors; k++)
        V(store)(out + SAMPLES * k, V(finish)(even_low[k], even_high[k], split),
                 V(finish)(odd_low[k], odd_high[k], split));
}

#undef V
#undef NAMED
#undef NAMED_
#undef VARIANT
#undef TARGET
