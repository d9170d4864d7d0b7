#include "base/ownership.h"

#include <unistd.h>

#include "base/cat.h"

namespace suture {

Status check_only_owner_writes(const struct stat &info) {
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return Error::refused(cat("belongs to user ", info.st_uid, ", not to root or the caller"));
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return Error::refused("may be written by others (chmod go-w)");
  return {};
}

}  // namespace suture
