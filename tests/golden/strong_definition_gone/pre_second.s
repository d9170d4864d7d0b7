	.hidden	moved
	.section .text.moved,"ax",@progbits
	.weak	moved
	.type	moved, @function
moved:
	.cfi_startproc
	leal	4(%rdi,%rdi,2), %eax
	leal	9(%rax,%rax,4), %eax
	ret
	.cfi_endproc
	.size	moved, .-moved

	.section .text.second,"ax",@progbits
	.globl	second
	.type	second, @function
second:
	.cfi_startproc
	leal	6(%rdi,%rdi,8), %eax
	leal	2(%rax,%rax), %eax
	ret
	.cfi_endproc
	.size	second, .-second

