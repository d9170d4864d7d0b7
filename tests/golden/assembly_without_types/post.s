	.section .text,"ax",@progbits
	.globl	typed
	.type	typed, @function
typed:
	.cfi_startproc
	leal	3(%rdi,%rdi,2), %eax
	leal	9(%rax,%rax,4), %eax
	ret
	.cfi_endproc
	.size	typed, .-typed
	.globl	untyped
untyped:
	.cfi_startproc
	leal	7(%rdi,%rdi,8), %eax
	leal	2(%rax,%rax), %eax
	ret
	.cfi_endproc
