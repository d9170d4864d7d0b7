# Two functions of equal code that nothing refers to.
	.section .text.a,"ax",@progbits
	.type	a, @function
a:
	.cfi_startproc
	leal	5(%rdi,%rdi), %eax
	ret
	.balign 16
	.cfi_endproc
	.size	a, .-a

	.section .text.b,"ax",@progbits
	.type	b, @function
b:
	.cfi_startproc
	leal	5(%rdi,%rdi), %eax
	ret
	.balign 16
	.cfi_endproc
	.size	b, .-b
