	.hidden	api
	.section .text.one,"ax",@progbits
	.globl	one
	.type	one, @function
one:
	.cfi_startproc
	leal	3(%rdi,%rdi,2), %eax
	leal	9(%rax,%rax,4), %eax
	ret
	.cfi_endproc
	.size	one, .-one

	.section .text.two,"ax",@progbits
	.globl	two
	.type	two, @function
two:
	.cfi_startproc
	leal	6(%rdi,%rdi,8), %eax
	leal	2(%rax,%rax), %eax
	ret
	.cfi_endproc
	.size	two, .-two

	.globl	api
	.set	api, two
