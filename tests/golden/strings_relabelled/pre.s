# Two strings, used by two functions.
	.section .rodata.str1.1,"aMS",@progbits,1
.LC0:
	.string	"first"
.LC1:
	.string	"second"

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
