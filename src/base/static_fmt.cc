// What the programs need of libfmt, compiled in: Debian ships that library shared only. The wrapper is linked statically,
// because it also runs inside build roots, which have other libraries or none; `suture`, because loading takes longer than
// patching.
#include <fmt/format-inl.h>

#include <locale>

// Templates that fmt/format.h declares `extern` where it is not used header-only.
namespace fmt {
inline namespace v9 {
namespace detail {
template dragonbox::decimal_fp<float> dragonbox::to_decimal<float>(float) noexcept;
template dragonbox::decimal_fp<double> dragonbox::to_decimal<double>(double) noexcept;
template std::locale locale_ref::get<std::locale>() const;
template thousands_sep_result<char> thousands_sep_impl<char>(locale_ref);
template char decimal_point_impl<char>(locale_ref);
template void buffer<char>::append<char>(const char *, const char *);
template void vformat_to<char>(buffer<char> &, basic_string_view<char>, format_args, locale_ref);
}  // namespace detail
}  // namespace v9
}  // namespace fmt
