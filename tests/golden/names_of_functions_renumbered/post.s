# foo() has a check of its own now, and another function inlined: "depth" is what it was, "foo" and "width" are new.
	.section .rodata.__func__.0,"a"
	.type	__func__.0, @object
	.size	__func__.0, 4
__func__.0:
	.string	"foo"

	.section .rodata.__func__.1,"a"
	.type	__func__.1, @object
	.size	__func__.1, 6
__func__.1:
	.string	"width"

	.section .rodata.__func__.2,"a"
	.type	__func__.2, @object
	.size	__func__.2, 6
__func__.2:
	.string	"depth"

	.section .rodata.__func__.3,"a"
	.type	__func__.3, @object
	.size	__func__.3, 5
__func__.3:
	.string	"last"

	.section .text.foo,"ax",@progbits
	.type	foo, @function
	.globl	foo
foo:
	.cfi_startproc
	subq	$8, %rsp
	leaq	__func__.0(%rip), %rdi
	call	warn@PLT
	leaq	__func__.1(%rip), %rdi
	call	warn@PLT
	leaq	__func__.2(%rip), %rdi
	call	warn@PLT
	addq	$8, %rsp
	ret
	.cfi_endproc
	.size	foo, .-foo

	.section .text.last,"ax",@progbits
	.type	last, @function
	.globl	last
last:
	.cfi_startproc
	subq	$8, %rsp
	leaq	__func__.3(%rip), %rdi
	call	warn@PLT
	addq	$8, %rsp
	ret
	.cfi_endproc
	.size	last, .-last
