# A third string comes first and moves the others. one() uses it; two() is as it was, wherever its string lies.
	.section .rodata.str1.1,"aMS",@progbits,1
.LC0:
	.string	"something longer"
.LC1:
	.string	"second"
.LC2:
	.string	"first"

	.section .text.one,"ax",@progbits
	.globl	one
	.type	one, @function
one:
	.cfi_startproc
	leaq	.LC0(%rip), %rax
	ret
	.cfi_endproc
	.size	one, .-one

	.section .text.two,"ax",@progbits
	.globl	two
	.type	two, @function
two:
	.cfi_startproc
	leaq	.LC1(%rip), %rax
	ret
	.cfi_endproc
	.size	two, .-two
