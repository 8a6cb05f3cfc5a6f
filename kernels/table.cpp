#include "kernels/table.h"

#include "kernels/simd/vec.h"

#define LEMORE_CONCAT(a, b) a##b
#define LEMORE_TABLE(isa) LEMORE_CONCAT(table_, isa)
#define LEMORE_QUOTE(text) #text
#define LEMORE_NAME(isa) LEMORE_QUOTE(isa)

namespace lemore::kernels {

namespace LEMORE_ISA_NAME {
#define LEMORE_KERNEL(file, type, name, Arguments) void type##_##name(const Arguments&);
#include "kernels/kernels.inc"
#undef LEMORE_KERNEL
}  // namespace LEMORE_ISA_NAME

extern const KernelTable LEMORE_TABLE(LEMORE_ISA_NAME);
const KernelTable LEMORE_TABLE(LEMORE_ISA_NAME) = {
    LEMORE_NAME(LEMORE_ISA_NAME),
    LEMORE_ISA_NAME::Vec::lanes,
#define LEMORE_KERNEL(file, type, name, Arguments) LEMORE_ISA_NAME::type##_##name,
#include "kernels/kernels.inc"
#undef LEMORE_KERNEL
};

}  // namespace lemore::kernels
