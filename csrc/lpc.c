/* Linear prediction; see lpc.h. */
#include "lpc.h"

#include <math.h>

/* -40 dB, and one step of a sample for sound that is not there at all. */
static const float WHITE_NOISE = 1.0001F;
static const float LEAST_ENERGY = 1.0F;

/* Where floats have no more to say: a reflection coefficient is kept so far inside the unit circle,
 * and the recursion ends at such a share of the energy. */
static const float REFLECTION_LIMIT = 0.9999F;
static const float LEAST_ERROR = 1e-6F;

float rm_dot(const float *a, const float *b, size_t n)
{
    /* Eight sums because one sum of floats is taken in order, which leaves the adder waiting. */
    float sums[8] = {0}, total = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sums[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        total += a[i] * b[i];
    for (int j = 0; j < 8; j++)
        total += sums[j];
    return total;
}

void rm_autocorrelate(const float *x, size_t n, int order, float *r)
{
    for (int k = 0; k <= order; k++)
        r[k] = (size_t)k < n ? rm_dot(x + k, x, n - (size_t)k) : 0;
}

void rm_step_up(double *a, int i, double k)
{
    for (int low = 1, high = i - 1; low <= high; low++, high--) {
        double first = a[low], last = a[high];
        a[low] = first + k * last;
        a[high] = last + k * first;
    }
    a[i] = k;
}

static float next_reflection(const float *r, const double *a, int i, double error)
{
    double sum = r[i];
    for (int j = 1; j < i; j++)
        sum += a[j] * r[i - j];
    return rm_clamp((float)(-sum / error), -REFLECTION_LIMIT, REFLECTION_LIMIT);
}

float rm_levinson(const float *r, int order, float *a, float *k)
{
    double whole = r[0] * WHITE_NOISE + LEAST_ENERGY, error = whole;
    double filter[RM_LPC_ORDER_MAX + 1] = {1};
    for (int i = 1; i <= order; i++) {
        float reflection = error > LEAST_ERROR * whole ? next_reflection(r, filter, i, error) : 0;
        rm_step_up(filter, i, reflection);
        error *= 1 - reflection * reflection;
        if (k)
            k[i] = reflection;
    }
    for (int i = 0; i <= order; i++)
        a[i] = (float)filter[i];
    return (float)(error / whole);
}
