#include "apply/target_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "apply/shadow.h"
#include "base/cat.h"
#include "base/fault.h"
#include "base/file.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

namespace suture {
namespace {

constexpr size_t kMaxNameBytes = 79;  // of PR_SET_VMA_ANON_NAME, without the NUL
constexpr std::string_view kLinkPrefix = "/memfd:suture:";

bool kernel_names_anonymous_memory() {
  static const bool known = [] {
    void *page = ::mmap(nullptr, kPageBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return false;
    const bool named = ::prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, kPageBytes, "suture:probe") == 0;
    ::munmap(page, kPageBytes);
    return named;
  }();
  return known;
}

Error refuse_mapping(int64_t result, uint64_t bytes) {
  const int cause = static_cast<int>(-result);
  switch (cause) {
    case ENOMEM:
      return Error::refused(
          cat("the process may not map ", bytes, " bytes more (RLIMIT_AS, vm.max_map_count or memory)"));
    case EAGAIN:
      return Error::refused("the process locks all its memory and is at RLIMIT_MEMLOCK");
    case EEXIST:
      return Error::failed("the place chosen for the patch was taken meanwhile").with_next("try again");
    case EPERM:
    case EACCES:
      return Error::refused("a security policy forbids the process to map executable memory");
    default:
      return Error::from_errno(cause, cat("mapping ", bytes, " bytes in the process"));
  }
}

Status map_at(BorrowedThread &thread, RunRange range, int protection, int fd) {
  const int flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE | (fd < 0 ? MAP_ANONYMOUS : 0);
  const int64_t got =
      TRY(thread.syscall(SYS_mmap, {range.begin.value, range.size_bytes, static_cast<uint64_t>(protection),
                                    static_cast<uint64_t>(flags), static_cast<uint64_t>(int64_t{fd}), 0}));
  if (got < 0 && got > -4096) return refuse_mapping(got, range.size_bytes);
  if (static_cast<uint64_t>(got) == range.begin.value) return {};
  // A kernel before 4.17 takes the address as a hint; a seccomp filter may answer anything.
  (void)unmap_range(thread, {RunAddr(static_cast<uint64_t>(got)), range.size_bytes});
  return Error::refused("the kernel did not map the patch where it was asked to");
}

Result<int64_t> make_memory_file(BorrowedThread &thread, const std::string &name) {
  const RunAddr text = TRY(thread.put_text(name));
  const auto create = [&](unsigned flags) { return thread.syscall(SYS_memfd_create, {text.value, flags, 0, 0, 0, 0}); };
  // Kernels before 6.3 know no MFD_EXEC; later ones may be set to want it.
  const int64_t fd = TRY(create(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (fd != -EINVAL) return fd;
  return create(MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

// The content goes into the file before it is mapped: the region never exists without its record. Sealed, so that
// nobody who reopens the file can change code that runs.
Status fill_memory_file(const Process &process, int64_t fd, ByteView bytes) {
  const Fd file = open_memory_file(process, fd);
  if (!file) return Error::failed("cannot open the memory file made in the process");
  TRY(write_all(file.get(), bytes));
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return Error::from_errno(errno, "sealing the memory file");
  return {};
}

Status map_code_from_file(const Process &process, BorrowedThread &thread, const Unit &unit, int64_t fd) {
  fault_point("map-file-created");
  Status done = fill_memory_file(process, fd, unit.code);
  if (done) done = map_at(thread, unit.record.code, PROT_READ | PROT_EXEC, static_cast<int>(fd));
  fault_point("map-code");
  const Result<int64_t> closed = thread.syscall(SYS_close, {static_cast<uint64_t>(fd), 0, 0, 0, 0, 0});
  fault_point("map-file-closed");
  if (done && !closed) return closed.error();
  return done;
}

Status map_code_anonymous(const Process &process, BorrowedThread &thread, const Unit &unit, Naming naming) {
  TRY(map_at(thread, unit.record.code, PROT_READ | PROT_EXEC, -1));
  fault_point("map-code");
  if (naming != Naming::memory_file) {
    const RunAddr name = TRY(thread.put_text(region_name(unit)));
    // A name is for people; a kernel without it is no reason to stop.
    (void)TRY(thread.syscall(SYS_prctl, {PR_SET_VMA, PR_SET_VMA_ANON_NAME, unit.record.code.begin.value,
                                         unit.record.code.size_bytes, name.value, 0}));
  }
  fault_point("map-named");
  return write_or_poke(process, thread, unit.record.code.begin, unit.code);
}

Status map_code(const Process &process, BorrowedThread &thread, const Unit &unit, Naming naming) {
  if (naming == Naming::automatic) naming = kernel_names_anonymous_memory() ? Naming::vma_name : Naming::memory_file;
  if (naming == Naming::memory_file) {
    const int64_t fd = TRY(make_memory_file(thread, region_name(unit)));
    if (fd >= 0) return map_code_from_file(process, thread, unit, fd);
    // Out of descriptors, or memory files are forbidden: anonymous memory will do.
  }
  return map_code_anonymous(process, thread, unit, naming);
}

// Made by one call, so that there is never the one without the other.
RunRange data_and_shadow(const Unit &unit) {
  RunRange out = unit.record.data;
  if (unit.makes_shadow_table) out.size_bytes += unit.record.shadow.size_bytes;
  return out;
}

Status map_data(const Process &process, BorrowedThread &thread, const Unit &unit) {
  if (unit.record.data.size_bytes == 0) return {};
  TRY(map_at(thread, data_and_shadow(unit), PROT_READ | PROT_WRITE, -1));
  fault_point("map-data");
  if (unit.makes_shadow_table) TRY(write_or_poke(process, thread, unit.record.shadow.begin, shadow_table_head()));
  return write_or_poke(process, thread, unit.record.data.begin, unit.data);
}

template <typename Visit>
void for_each_left_file(const Process &process, Visit visit) {
  const Result<std::vector<int64_t>> descriptors = list_descriptors(process);
  if (!descriptors) return;
  for (const int64_t number : *descriptors)
    if (open_memory_file(process, number)) visit(number);
}

}  // namespace

std::string region_name(const Unit &unit) {
  return cat(kNamePrefix, unit.record.patch_id).substr(0, kMaxNameBytes);
}

Result<std::vector<int64_t>> list_descriptors(const Process &process) {
  const int fd = ::openat(process.proc_fd(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? nullptr : ::fdopendir(fd);
  if (dir == nullptr) return Error::from_errno(errno, "cannot list the descriptors of the process");
  std::vector<int64_t> out;
  while (const dirent *entry = ::readdir(dir)) {
    const std::string_view text = entry->d_name;
    int64_t number = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) out.push_back(number);
  }
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

Fd open_memory_file(const Process &process, int64_t fd) {
  const std::string path = cat("fd/", fd);
  char link[64] = {};
  const ssize_t length = ::readlinkat(process.proc_fd(), path.c_str(), link, sizeof link);
  if (length <= 0 || !std::string_view(link, static_cast<size_t>(length)).starts_with(kLinkPrefix)) return Fd();
  return Fd(::openat(process.proc_fd(), path.c_str(), O_RDWR | O_CLOEXEC));
}

Status write_or_poke(const Process &process, BorrowedThread &thread, RunAddr at, ByteView bytes) {
  if (process.write(at, bytes)) return {};
  return thread.poke(at, bytes);
}

Status map_unit(const Process &process, BorrowedThread &thread, const Unit &unit, Naming naming) {
  // Data first: once the code with its record is there, all of the unit is.
  TRY(map_data(process, thread, unit));
  Status done = map_code(process, thread, unit, naming);
  if (done || unit.record.data.size_bytes == 0) return done;
  (void)unmap_range(thread, data_and_shadow(unit));
  return done;
}

Status unmap_range(BorrowedThread &thread, RunRange range) {
  if (range.size_bytes == 0) return {};
  const int64_t got = TRY(thread.syscall(SYS_munmap, {range.begin.value, range.size_bytes, 0, 0, 0, 0}));
  if (got != 0) return Error::from_errno(static_cast<int>(-got), "unmapping memory of the process");
  return {};
}

bool has_left_files(const Process &process) {
  bool any = false;
  for_each_left_file(process, [&](int64_t) { any = true; });
  return any;
}

Status close_left_files(const Process &process, BorrowedThread &thread) {
  std::vector<int64_t> left;
  for_each_left_file(process, [&](int64_t fd) { left.push_back(fd); });
  for (const int64_t fd : left) (void)TRY(thread.syscall(SYS_close, {static_cast<uint64_t>(fd), 0, 0, 0, 0, 0}));
  return {};
}

}  // namespace suture
