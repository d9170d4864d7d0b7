// Changed virtual functions: objects that exist lead to the old entries through their virtual tables, thunks of multiple and
// virtual inheritance and of covariant results included. A destructor that grows moves the thunks of its section.
// matrix-flags: -std=c++17
// matrix-quick: gcc-O2-shared
#include <memory>

#include "construct.h"

namespace virtual_functions {

struct Shape {
  virtual ~Shape() = default;
  virtual int area(int scale) const;
  int width = 3;
};
struct Named {
  virtual ~Named() = default;
  virtual int label(int by) const;
  int tag = 9;
};
struct Both : Shape, Named {
  ~Both() override;
  int area(int scale) const override;
  int label(int by) const override;
};
struct Root {
  virtual ~Root() = default;
  virtual Root *self(int by);
  virtual int id(int by) const;
  int root = 1;
};
struct Left : virtual Root {
  int id(int by) const override;
  Left *self(int by) override;
  int left = 2;
};
struct Right : virtual Root {
  int right = 3;
};
struct Diamond : Left, Right {
  explicit Diamond(int by);
  ~Diamond() override;
  int id(int by) const override;
  Diamond *self(int by) override;
  int own;
  int asked = 0;
};

static int destroyed;

NOINLINE int Shape::area(int scale) const { return width * scale; }
NOINLINE int Named::label(int by) const { return tag + by; }
#ifdef FIXED
NOINLINE Both::~Both() { destroyed += tag > 0 ? 100 + width : 7; }
NOINLINE int Both::area(int scale) const { return width * scale + 1000; }
NOINLINE int Both::label(int by) const { return tag * 2 + by; }
NOINLINE int Left::id(int by) const { return left + by + 50; }
NOINLINE Diamond::Diamond(int by) : own(by + 70) {}
NOINLINE Diamond::~Diamond() { destroyed += own > 0 ? 10000 + left + right : 5; }
NOINLINE int Diamond::id(int by) const { return left + right + root + by + 10000; }
NOINLINE Diamond *Diamond::self(int by) {
  asked += 100 * by;
  return this;
}
#else
NOINLINE Both::~Both() { destroyed += 1; }
NOINLINE int Both::area(int scale) const { return width * scale + 10; }
NOINLINE int Both::label(int by) const { return tag + by * 3; }
NOINLINE int Left::id(int by) const { return left + by; }
NOINLINE Diamond::Diamond(int by) : own(by) {}
NOINLINE Diamond::~Diamond() { destroyed += 1; }
NOINLINE int Diamond::id(int by) const { return left + right + root + by; }
NOINLINE Diamond *Diamond::self(int by) {
  asked += by;
  return this;
}
#endif
NOINLINE Root *Root::self(int by) {
  root += 0 * by;
  return this;
}
NOINLINE int Root::id(int by) const { return root + by; }
NOINLINE Left *Left::self(int by) {
  left += 0 * by;
  return this;
}

NOINLINE static Shape *kept() {
  static Shape *const shape = new Both;
  return shape;
}
NOINLINE static Diamond *kept_one() {
  static Diamond *const diamond = new Diamond(4);
  return diamond;
}

NOINLINE static Named *named_part(Shape *shape) { return dynamic_cast<Named *>(shape); }

}  // namespace virtual_functions

extern "C" int check_cxx_virtual(int fixed) {
  using namespace virtual_functions;
  Shape *const kept_shape = kept();
  Diamond *const kept_diamond = kept_one();
  EXPECT(kept_shape->area(2) == (fixed ? 1006 : 16));
  Named *named = named_part(kept_shape);
  EXPECT(named != nullptr && named->label(1) == (fixed ? 19 : 12));
  int (Shape::*const area)(int) const = &Shape::area;
  EXPECT((kept_shape->*area)(1) == (fixed ? 1003 : 13));
  Root *root = kept_diamond;
  EXPECT(root->id(1) == 2 + 3 + 1 + 1 + (fixed ? 10000 : 0));
  const int asked = kept_diamond->asked;
  EXPECT(root->self(1) == root);
  EXPECT(static_cast<Left *>(kept_diamond)->self(1) == kept_diamond);
  EXPECT(kept_diamond->asked == asked + (fixed ? 200 : 2));
  EXPECT(Diamond(3).own == (fixed ? 73 : 3));
  const int before = destroyed;
  std::unique_ptr<Shape>(new Both).reset();
  EXPECT(destroyed == before + (fixed ? 103 : 1));
  std::unique_ptr<Root>(new Diamond(1)).reset();
  EXPECT(destroyed == before + (fixed ? 103 + 10005 : 2));
  std::unique_ptr<Left> left(new Left);
  EXPECT(left->id(1) == (fixed ? 53 : 3));
  return 1;
}
