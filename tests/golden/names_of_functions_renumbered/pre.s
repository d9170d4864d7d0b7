# Checks in functions that were inlined name themselves by __func__, which the compiler numbers.
	.section .rodata.__func__.0,"a"
	.type	__func__.0, @object
	.size	__func__.0, 6
__func__.0:
	.string	"depth"

	.section .rodata.__func__.1,"a"
	.type	__func__.1, @object
	.size	__func__.1, 5
__func__.1:
	.string	"gone"

	.section .rodata.__func__.2,"a"
	.type	__func__.2, @object
	.size	__func__.2, 5
__func__.2:
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
	leaq	__func__.2(%rip), %rdi
	call	warn@PLT
	addq	$8, %rsp
	ret
	.cfi_endproc
	.size	last, .-last
