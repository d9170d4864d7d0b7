#include "apply/map_errand.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "apply/target_memory.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "process/errand.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

namespace suture {
namespace {

// For a thread that has set off to come back: on an overloaded machine seconds pass before it runs.
constexpr uint64_t kErrandMs = 10000;

// Kernels before 6.3 know no MFD_EXEC; later ones may be set to want it. Ours is the target's.
uint64_t memory_file_flags() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const Fd probe(::memfd_create("suture-probe", kFlags | MFD_EXEC));
  return probe ? kFlags | MFD_EXEC : kFlags;
}

class UnitErrands {
 public:
  UnitErrands(Session &session, Unit &unit) : session_(session), unit_(unit) {}

  Result<bool> run() {
    if (!TRY(make_file())) return false;
    store<uint64_t>(unit_.code, kFlagsOffset, session_.tsc_is_readable ? kFlagTscIsReadable : 0);
    if (!fill_code()) return undo();
    fault_point("map-errand-filled");
    if (!TRY(map())) return undo();
    fault_point("map-errand-mapped");
    if (!finish()) return undo();
    return true;
  }

 private:
  Result<std::optional<ErrandReport>> send(const Errand &errand) {
    Result<std::optional<ErrandReport>> report =
        run_errand(session_.process, session_.maps, *session_.gadgets, errand, Deadline::in_ms(kErrandMs));
    if (!report) return std::move(std::move(report).error()).with_state(TargetState::restored);
    return report;
  }

  Result<bool> make_file() {
    const std::vector<int64_t> before = TRY(list_descriptors(session_.process));
    const std::string name = region_name(unit_);
    Errand errand;
    errand.scratch.assign(8, 0);  // PR_GET_TSC writes an int
    errand.scratch.insert(errand.scratch.end(), name.begin(), name.end());
    errand.scratch.push_back(0);
    errand.calls.push_back({SYS_prctl, {PR_GET_TSC, 0, 0, 0, 0, 0}, 1});
    errand.calls.push_back({SYS_memfd_create, {8, memory_file_flags(), 0, 0, 0, 0}, 0});
    const std::optional<ErrandReport> report = TRY(send(errand));
    if (!report) return false;
    fault_point("map-errand-file");
    session_.tsc_is_known = report->scratch.has_value();
    session_.tsc_is_readable = report->scratch && load<uint32_t>(*report->scratch, 0) == PR_TSC_ENABLE;
    for (const int64_t fd : TRY(list_descriptors(session_.process))) {
      if (std::binary_search(before.begin(), before.end(), fd)) continue;
      file_ = open_memory_file(session_.process, fd);
      if (!file_) continue;
      in_target_ = fd;
      opened_there_ = Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, session_.process.pidfd(), fd, 0)));
      return ::fstat(file_.get(), &identity_) == 0;
    }
    return false;
  }

  // The process ran since: its descriptor must still be this file. Asked in a stop, so by the quicker call where the
  // kernel has both that it takes (pidfd_getfd since 5.6, CONFIG_KCMP).
  bool is_still_there() const {
    if (opened_there_) {
      const long order = ::syscall(SYS_kcmp, session_.process.live_thread(), ::getpid(), KCMP_FILE,
                                   static_cast<unsigned long>(in_target_),
                                   static_cast<unsigned long>(opened_there_.get()));
      if (order >= 0) return order == 0;
    }
    struct stat now {};
    return ::fstatat(session_.process.proc_fd(), cat("fd/", in_target_).c_str(), &now, 0) == 0 &&
           now.st_ino == identity_.st_ino && now.st_dev == identity_.st_dev;
  }

  // The content is there before the mapping: the region never exists without its record.
  bool fill_code() {
    const uint64_t size = unit_.code.size() + unit_.data.size();
    return write_all(file_.get(), unit_.code).has_value() && ::ftruncate(file_.get(), static_cast<off_t>(size)) == 0;
  }

  static ErrandCall map_call(RunRange range, uint64_t protection, int64_t fd, uint64_t offset) {
    return {SYS_mmap,
            {range.begin.value, range.size_bytes, protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
             static_cast<uint64_t>(fd), offset}};
  }

  Result<bool> map() {
    Errand errand;
    const Record &record = unit_.record;
    // Data first: once the code with its record is there, all of the unit is.
    if (record.data.size_bytes != 0)
      errand.calls.push_back(map_call(record.data, PROT_READ | PROT_WRITE, in_target_, unit_.code.size()));
    errand.calls.push_back(map_call(record.code, PROT_READ | PROT_EXEC, in_target_, 0));
    errand.calls.push_back({SYS_close, {static_cast<uint64_t>(in_target_), 0, 0, 0, 0, 0}});
    errand.still_wanted = [&] { return is_still_there(); };
    const std::optional<ErrandReport> report = TRY(send(errand));
    if (!report) return false;
    session_.maps = TRY(session_.process.maps());
    return is_ours(record.code) && (record.data.size_bytes == 0 || is_ours(record.data));
  }

  // The inode tells our mapping from one that the process made in the same place meanwhile.
  bool is_ours(RunRange range) const {
    const Mapping *mapping = session_.maps.at(range.begin);
    return mapping != nullptr && mapping->inode == identity_.st_ino && mapping->range.begin == range.begin &&
           mapping->range.size_bytes == range.size_bytes && !mapping->shared;
  }

  // Writing the data makes private copies of its pages; the file's own are then nobody's. Sealed, so that nobody who
  // reopens the file can change code that runs.
  bool finish() {
    if (!unit_.data.empty()) {
      if (!session_.process.write(unit_.record.data.begin, unit_.data)) return false;
      (void)::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(unit_.code.size()),
                        static_cast<off_t>(unit_.data.size()));  // only saves memory
    }
    return ::fcntl(file_.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
  }

  Result<bool> undo() {
    file_.reset();
    session_.maps = TRY(session_.process.maps());
    BorrowedThread thread = TRY(session_.borrow(BorrowFor::syscalls));
    for (const RunRange range : {unit_.record.data, unit_.record.code})
      if (range.size_bytes != 0 && is_ours(range)) TRY(unmap_range(thread, range));
    TRY(close_left_files(session_.process, thread));
    TRY(std::move(thread).give_back());
    session_.maps = TRY(session_.process.maps());
    return false;
  }

  Session &session_;
  Unit &unit_;
  Fd file_;
  Fd opened_there_;  // the target's own open file, not to be read or written
  int64_t in_target_ = -1;
  struct stat identity_ {};
};

}  // namespace

Result<bool> map_unit_by_errands(Session &session, Unit &unit) {
  if (unit.makes_shadow_table) return false;  // which outlives the unit: its memory must not be the unit's file
  TRY(session.find_gadgets());
  return UnitErrands(session, unit).run();
}

}  // namespace suture
