# Three functions go from one static local called "n" to another inlined one; one setter of each stays as it was.
	.file	"both.c"
	.text
	.section	.text.a_set,"ax",@progbits
	.p2align 4
	.globl	a_set
	.type	a_set, @function
a_set:
.LFB2:
	.cfi_startproc
	movl	%edi, n.1(%rip)
	ret
	.cfi_endproc
.LFE2:
	.size	a_set, .-a_set
	.section	.text.b_set,"ax",@progbits
	.p2align 4
	.globl	b_set
	.type	b_set, @function
b_set:
.LFB3:
	.cfi_startproc
	addl	$1, %edi
	movl	%edi, n.0(%rip)
	ret
	.cfi_endproc
.LFE3:
	.size	b_set, .-b_set
	.section	.text.u1,"ax",@progbits
	.p2align 4
	.globl	u1
	.type	u1, @function
u1:
.LFB4:
	.cfi_startproc
	movl	n.1(%rip), %eax
	leal	(%rax,%rax,2), %eax
	ret
	.cfi_endproc
.LFE4:
	.size	u1, .-u1
	.section	.text.u2,"ax",@progbits
	.p2align 4
	.globl	u2
	.type	u2, @function
u2:
.LFB5:
	.cfi_startproc
	movl	n.1(%rip), %eax
	leal	1(%rax,%rax,4), %eax
	ret
	.cfi_endproc
.LFE5:
	.size	u2, .-u2
	.section	.text.u3,"ax",@progbits
	.p2align 4
	.globl	u3
	.type	u3, @function
u3:
.LFB6:
	.cfi_startproc
	movl	n.1(%rip), %edx
	leal	0(,%rdx,8), %eax
	subl	%edx, %eax
	addl	$1, %eax
	ret
	.cfi_endproc
.LFE6:
	.size	u3, .-u3
	.section	.bss.n.0,"aw",@nobits
	.align 4
	.type	n.0, @object
	.size	n.0, 4
n.0:
	.zero	4
	.section	.bss.n.1,"aw",@nobits
	.align 4
	.type	n.1, @object
	.size	n.1, 4
n.1:
	.zero	4
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
